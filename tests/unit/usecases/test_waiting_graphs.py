"""A graph of which nothing is to be done but what people decide waits as a run of one node does; its time stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.approvals import ApprovalState
from shared.domain.decisions import Decision
from shared.domain.ids import RunId
from shared.domain.runs import SWEEP_AFTER
from shared.domain.states import NodeState, RunState
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.list_approvals import list_approvals
from shared.usecases.nodes import wait_for_people
from shared.usecases.runs.pause_run import pause_run, resume_run
from shared.usecases.runs.sweep_runs import sweep_runs
from shared.usecases.sessions.follow_session import follow_session
from shared.usecases.sessions.turn_updates import PeopleAsked, Update
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time

APPROVE = Decision("approve")


def echo(value: Any, *after: str) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, "after": list(after)}


def gate(*after: str) -> dict[str, Any]:
    return {"kind": "approval", "message": "Go on?", "after": list(after)}


LETTER = {"draft": echo("the letter"), "gate": gate("draft"), "send": echo("sent", "gate")}


async def started(rig: EngineRig, nodes: dict[str, Any], **definition: Any) -> RunId:
    return (await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}, **definition))).run.id


async def standing(rig: EngineRig, nodes: dict[str, Any] = LETTER, **definition: Any) -> RunId:
    run_id = await started(rig, nodes, **definition)
    await rig.drain()
    return run_id


async def approve_first(rig: EngineRig) -> None:
    asked = await list_approvals(rig.documents, ANN, ApprovalState.PENDING, 50, None)
    await decide_approval(rig.core, ANN, asked.items[0].id, APPROVE)


async def state(rig: EngineRig, run_id: RunId) -> RunState:
    return (await rig.run(run_id)).state


async def told(updates: AsyncIterator[Update]) -> list[Update]:
    return [update async for update in updates]


async def sweep(rig: EngineRig) -> None:
    await rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
    assert (await sweep_runs(rig.core, LEASE_SECONDS)).tasks == 0


async def test_a_graph_that_stands_at_a_gate_waits_with_nothing_at_work() -> None:
    rig = EngineRig()
    run_id = await standing(rig)
    assert await state(rig, run_id) is RunState.WAITING
    assert [path for path in rig.documents.paths if path.startswith("leases/")] == []
    assert list(rig.queue.pending) == []
    await approve_first(rig)
    assert await state(rig, run_id) is RunState.RUNNING
    await rig.drain()
    assert await rig.output(run_id) == "sent"


async def test_the_time_in_which_people_think_is_not_the_graphs() -> None:
    rig = EngineRig()
    run_id = await standing(rig, limits={"seconds": 60})
    await rig.clock.advance(timedelta(days=3).total_seconds())
    await approve_first(rig)
    await rig.drain()
    assert await state(rig, run_id) is RunState.SUCCEEDED


async def test_a_graph_goes_on_running_while_something_else_is_to_be_done() -> None:
    rig = EngineRig()
    run_id = await started(rig, {"gate": gate(), "side": echo(1), "then": echo(2, "side")})
    while rig.queue.pending:
        await rig.queue.deliver_next(rig.deliver)
        assert await state(rig, run_id) is RunState.RUNNING
    await sweep(rig)
    assert await state(rig, run_id) is RunState.WAITING


async def test_a_graph_waits_again_for_the_next_answer() -> None:
    rig = EngineRig()
    run_id = await standing(rig, {"first": gate(), "second": gate("first"), "third": gate("second")})
    for _ in range(3):
        assert await state(rig, run_id) is RunState.WAITING
        await approve_first(rig)
        await rig.drain()
    assert await state(rig, run_id) is RunState.SUCCEEDED


async def test_two_gates_are_open_at_once_and_the_run_waits_for_both() -> None:
    rig = EngineRig()
    run_id = await standing(rig, {"a": gate(), "b": gate(), "out": echo("out", "a", "b")})
    assert await state(rig, run_id) is RunState.WAITING
    await approve_first(rig)
    await rig.drain()
    await sweep(rig)
    assert await state(rig, run_id) is RunState.WAITING
    await approve_first(rig)
    await rig.drain()
    assert await rig.output(run_id) == "out"


async def test_a_run_that_waits_is_looked_at_once_and_then_left_alone() -> None:
    rig = EngineRig()
    run_id = await standing(rig)
    await sweep(rig)
    assert (await rig.run(run_id)).next_sweep_at is None
    await approve_first(rig)
    assert (await rig.run(run_id)).next_sweep_at is not None


@pytest.mark.parametrize("who", ["the node", "the sweeper"])
async def test_who_decides_while_a_run_is_being_set_to_waiting_lets_it_go_on(who: str) -> None:
    rig = EngineRig()

    async def decide() -> None:
        await approve_first(rig)

    if who == "the node":
        run_id = await started(rig, {"gate": gate(), "send": echo("sent", "gate")})
        third = InterferingDocuments(rig.documents, decide, before_commit=3)  # after its claim and what it asks
        await rig.queue.deliver_next(lambda task: rig.deliver(task, third))
    else:
        run_id = await started(rig, {"gate": gate(), "side": echo(1), "send": echo("sent", "gate")})
        await rig.drain()
        assert await state(rig, run_id) is RunState.RUNNING
        await rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
        rig.documents = InterferingDocuments(inner := rig.documents, decide, before_commit=1)
        core = rig.core
        rig.documents = inner
        await sweep_runs(core, LEASE_SECONDS)
    assert (await rig.node(run_id, "gate~0")).state is NodeState.READY
    assert await state(rig, run_id) is RunState.RUNNING
    await rig.drain()
    assert await state(rig, run_id) is RunState.SUCCEEDED


async def test_a_graph_that_waits_may_be_paused_and_waits_again() -> None:
    rig = EngineRig()
    run_id = await standing(rig)
    await pause_run(rig.core, ANN, run_id)
    assert await state(rig, run_id) is RunState.PAUSED
    await resume_run(rig.core, ANN, run_id)
    assert await state(rig, run_id) is RunState.WAITING
    await approve_first(rig)
    await rig.drain()
    assert await state(rig, run_id) is RunState.SUCCEEDED


async def test_of_a_graph_with_many_nodes_the_sweeper_sees_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_people, "MOST_NODES", 1)
    rig = EngineRig()
    run_id = await standing(rig)
    assert await state(rig, run_id) is RunState.RUNNING
    await sweep(rig)
    assert await state(rig, run_id) is RunState.WAITING


async def test_who_follows_a_graph_is_told_what_it_waits_for() -> None:
    rig = EngineRig()
    run_id = await standing(rig, {"a": gate(), "b": gate(), "out": echo("out", "a", "b")})
    run = await rig.run(run_id)
    *_, last = await in_time(rig.clock, told(follow_session(rig.core, run.session_id, until_run=run_id)))
    asked = await list_approvals(rig.documents, ANN, ApprovalState.PENDING, 50, None)
    assert isinstance(last, PeopleAsked)
    assert set(last.approval_ids) == {one.id for one in asked.items}
    assert len(last.approval_ids) == 2
