"""Whose run ends while nobody holds them, asker and delegates, are cancelled together, with what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared.domain.approvals import Approval, ApprovalState
from shared.domain.decisions import Decision
from shared.domain.errors import ModelUnavailable
from shared.domain.ids import Instance, RunId
from shared.domain.nodes import NodeRun, node_path, nodes_path
from shared.domain.records import parse
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Update
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import Query
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.interfering_documents import InterferingDocuments
from tests.support.scripted_runner import COST, ScriptedRunner, Step

ECHO = (("echo", {"value": "a"}),)
LOOKS = Step(("let me look",), ECHO)
SUB = {"sub": {"description": "judges", "tools": ["echo"]}}
ASKS = {"type": "delegation", "agents": {"helper": {"description": "helps", "tools": ["echo"], "agents": SUB}}}
SIGNS = [{"name": "echo", "requires_approval": True}]
ASKS_PEOPLE = {"type": "delegation", "agents": {"helper": {"description": "helps", "tools": SIGNS}}}
ALONE = {"tools": ["echo"]}
RETRY = {"max_attempts": 5, "initial_seconds": 600, "max_seconds": 600}
QUICK = {"kind": "tool", "tool": "echo", "arguments": {"value": 1}}
HELPER = "talk.helper.0000-call-0-0"
CRASHES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]


def fail() -> None:
    raise ModelUnavailable("it is away")


def play(turn: AgentTurn) -> Sequence[Step]:
    """Each asks the next one below; the model of the last is away after its first step."""
    below = [name for name in ("helper", "sub") if name in {one.name for one in turn.agent.delegates}]
    if below:
        return (Step((f"I ask the {below[0]}",), ((f"ask_{below[0]}", {"task": "look"}),)), Step(("done",)))
    return (LOOKS, Step(("it is",), before_end=fail))


async def start(here: EngineRig, kept: dict[str, Any], *, ends_early: bool = True) -> RunId:
    agent = await here.make_agent(**{**kept, "name": "kept"})
    policy = "any" if ends_early else "all"
    nodes = {
        "talk": {"kind": "agent", "agent": {"id": agent}, "retry": RETRY},
        "begin": QUICK,
        "quick": {**QUICK, "after": ["begin"]},
        "first": {"kind": "join", "policy": policy, "after": ["talk", "quick"]},
    }
    return (await here.start(await here.make_agent(type="graph", tools=["echo"], graph={"nodes": nodes}))).run.id


async def nodes_of(here: EngineRig, run_id: RunId) -> dict[str, NodeRun]:
    found = await here.documents.query(Query(nodes_path(run_id)))
    nodes = [parse(NodeRun, one.fields) for one in found if one.fields is not None]
    return {node.instance.removesuffix("~0"): node for node in nodes}


async def assert_nothing_is_left(here: EngineRig, run_id: RunId) -> None:
    nodes = await nodes_of(here, run_id)
    assert [name for name, node in nodes.items() if not is_terminal(node.state)] == []
    assert [path for path in here.documents.paths if path.startswith("leases/")] == []
    assert (list(here.queue.pending), here.defects) == ([], [])


async def approvals_of(here: EngineRig, run_id: RunId) -> list[Approval]:
    found = await here.documents.query(Query("approvals"))
    return [one for one in (parse(Approval, each.fields or {}) for each in found) if one.run_id == run_id]


async def assert_who_was_to_be_tried_again_is_cancelled(here: EngineRig, run_id: RunId) -> None:
    nodes = await nodes_of(here, run_id)
    left = {name: node for name, node in nodes.items() if name.startswith("talk")}
    assert {name: (node.state, node.text, node.usage.requests) for name, node in left.items()} == {
        "talk": (NodeState.CANCELLED, "I ask the helper", 3),
        HELPER: (NodeState.CANCELLED, "I ask the sub", 2),
        f"{HELPER}.sub.0000-call-0-0": (NodeState.CANCELLED, "let me look\n\nit is", 1),
    }
    assert all(node.completed_at is not None for node in left.values())
    await assert_nothing_is_left(here, run_id)


async def test_delegates_at_any_depth_are_cancelled_with_an_asker_that_was_to_be_tried_again() -> None:
    here = EngineRig(ScriptedRunner(play))
    run_id = await start(here, ASKS)
    await here.work(run_id)
    assert (await here.run(run_id)).state is RunState.SUCCEEDED
    await assert_who_was_to_be_tried_again_is_cancelled(here, run_id)


@pytest.mark.parametrize("fate", CRASHES)
async def test_a_failure_at_any_commit_leaves_no_delegate_at_work(fate: Fate) -> None:
    async def end(at: int | None) -> int:
        here = EngineRig(ScriptedRunner(play))
        run_id = await start(here, ASKS)
        await here.queue.deliver_next(here.deliver)  # now the asker is to be tried again
        documents = FailingDocuments(here.documents, at_commit(-1 if at is None else at, fate))
        await here.work(run_id, documents)
        await here.work(None)
        assert (await here.run(run_id)).state is RunState.SUCCEEDED, f"commit {at}"
        await assert_who_was_to_be_tried_again_is_cancelled(here, run_id)
        return documents.commits

    for at in range(await end(None)):
        await end(at)


@pytest.mark.parametrize("fate", CRASHES)
async def test_a_failure_at_any_commit_leaves_no_delegate_waiting_for_people_either(fate: Fate) -> None:
    def ask(turn: AgentTurn) -> Sequence[Step]:
        return play(turn) if turn.agent.delegates else (LOOKS, Step(("it is",)))

    async def end(at: int | None) -> int:
        here = EngineRig(ScriptedRunner(ask))
        run_id = await start(here, ASKS_PEOPLE)
        await here.queue.deliver_next(here.deliver)
        waiting = await nodes_of(here, run_id)
        assert [waiting[name].state for name in ("talk", HELPER)] == [NodeState.WAITING] * 2
        documents = FailingDocuments(here.documents, at_commit(-1 if at is None else at, fate))
        await here.work(run_id, documents)
        await here.work(None)
        nodes = await nodes_of(here, run_id)
        assert {name: (nodes[name].state, nodes[name].text, nodes[name].usage) for name in ("talk", HELPER)} == {
            "talk": (NodeState.CANCELLED, "I ask the helper", COST + COST),
            HELPER: (NodeState.CANCELLED, "let me look", COST),
        }, f"commit {at}"
        assert [one.state for one in await approvals_of(here, run_id)] == [ApprovalState.WITHDRAWN]
        await assert_nothing_is_left(here, run_id)
        return documents.commits

    for at in range(await end(None)):
        await end(at)


async def test_who_has_no_delegates_is_ended_by_who_ends_the_run() -> None:
    """Nobody takes it over for that: no read, and no task."""
    here = EngineRig(ScriptedRunner(play))
    run_id = await start(here, ALONE)
    await here.work(run_id)
    talk = await here.node(run_id, "talk~0")
    assert (talk.state, talk.attempt, talk.text) == (NodeState.CANCELLED, 1, "let me look\n\nit is")
    assert not [task for task in here.queue.accepted if task.cause.startswith("cancel")]


@pytest.mark.parametrize("fate", CRASHES)
async def test_cancelling_a_run_ends_them_too(fate: Fate) -> None:
    async def end(at: int | None) -> int:
        here = EngineRig(ScriptedRunner(play))
        run_id = await start(here, ASKS, ends_early=False)
        for _ in range(3):
            await here.queue.deliver_next(here.deliver)
        assert (await here.node(run_id, "talk~0")).state is NodeState.READY
        await cancel_run(here.core, ANN, run_id)
        documents = FailingDocuments(here.documents, at_commit(-1 if at is None else at, fate))
        await here.work(run_id, documents)
        assert (await here.run(run_id)).state is RunState.CANCELLED, f"commit {at}"
        await assert_who_was_to_be_tried_again_is_cancelled(here, run_id)
        return documents.commits

    for at in range(await end(None)):
        await end(at)


async def test_who_was_attempted_too_often_is_cancelled_as_well() -> None:
    """A node that is cancelled fails no more, however often it was handed over before."""
    here = EngineRig(ScriptedRunner(play))
    run_id = await start(here, ASKS, ends_early=False)
    for _ in range(3):
        await here.queue.deliver_next(here.deliver)
    await here.documents.commit(
        [Update(node_path(run_id, Instance("talk~0")), {"attempt": here.engine().max_attempts})]
    )
    await cancel_run(here.core, ANN, run_id)
    await here.work(run_id)
    assert (await here.run(run_id)).state is RunState.CANCELLED
    await assert_who_was_to_be_tried_again_is_cancelled(here, run_id)


@pytest.mark.parametrize("reading", [True, False])
async def test_an_asker_leaves_cancelled_what_is_cancelled_while_it_goes_on(*, reading: bool) -> None:
    """Somebody decides, so the asker goes on, and somebody else cancels the run: its delegate still waits then."""

    def ask(turn: AgentTurn) -> Sequence[Step]:
        return play(turn) if turn.agent.delegates else (LOOKS, Step(("it is",)))

    async def end(at: int) -> bool:
        here = EngineRig(ScriptedRunner(ask))
        run_id = await start(here, ASKS_PEOPLE, ends_early=False)
        for _ in range(3):
            await here.queue.deliver_next(here.deliver)
        (approval,) = await approvals_of(here, run_id)
        await decide_approval(here.core, ANN, approval.id, Decision("approve"))
        cancelled: list[NodeRun] = []

        async def cancel() -> None:
            await cancel_run(here.core, ANN, run_id)
            cancelled.append(await here.node(run_id, f"{HELPER}~0"))

        read, commit = (at, 0) if reading else (0, at)
        documents = InterferingDocuments(here.documents, cancel, before_read=read, before_commit=commit)
        await here.work(run_id, documents)
        await here.work(None)
        if cancelled:
            assert (await here.run(run_id)).state is RunState.CANCELLED, f"at {at}"
            helper = await here.node(run_id, f"{HELPER}~0")
            assert cancelled[0].state is not NodeState.CANCELLED or helper == cancelled[0], f"at {at}"
            await assert_nothing_is_left(here, run_id)
        return bool(cancelled)

    assert [at for at in range(1, 9) if await end(at)] == [*range(1, 9)]
