"""A paused run starts no node and asks no model; it goes on from where it stood, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.approvals import ApprovalState
from shared.domain.decisions import Decision
from shared.domain.errors import DomainError, ModelUnavailable, NotFound, RunEnded
from shared.domain.ids import ApprovalId, RunId, Token, Uid
from shared.domain.states import NodeState, RunState
from shared.ports.documents import Query
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.pause_run import pause_run, resume_run
from shared.usecases.runs.sweep_runs import sweep_runs
from shared.usecases.sessions.follow_session import follow_session
from shared.usecases.sessions.turn_updates import EventAppended, RunPaused
from tests.support.chaos.monitor import fields_of
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.interfering_documents import InterferingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.unit.usecases.test_repeats import tool
from tests.unit.usecases.test_turns import collect

GRAPH: dict[str, Any] = {
    "first": tool("echo", [1, 2]),
    "each": {"kind": "map", "over": "{{ first.output }}", "body": tool("echo", "{{ item }}")},
    "side": tool("echo", "side"),
    "all": {"kind": "join", "after": ["each", "side"]},
}
OUTPUT = [1, 2, "side"]
FATES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]


def streaming(rig: EngineRig, meanwhile: Callable[[], Any]) -> None:
    """An agent of two steps, which somebody does something during the first of."""
    first = Step(("look",), (("echo", {"value": 1}),), before_end=meanwhile)
    rig.runner.script = lambda _: (first, Step(("the end",)))


async def graph() -> tuple[EngineRig, RunId]:
    rig = EngineRig()
    return rig, (await rig.start(await rig.make_agent(type="graph", graph={"nodes": GRAPH}))).run.id


async def pause(rig: EngineRig, run_id: RunId) -> None:
    await pause_run(rig.core, ANN, run_id)


async def resume(rig: EngineRig, run_id: RunId) -> None:
    await resume_run(rig.core, ANN, run_id)
    await rig.drain()


async def test_a_run_that_is_paused_before_its_first_node_starts_none_and_loses_none() -> None:
    rig, run_id = await graph()
    await pause(rig, run_id)
    await rig.drain()
    assert (await rig.run(run_id)).state is RunState.PAUSED
    assert not rig.toolbox.calls
    assert {(await rig.node(run_id, name)).state for name in ("first~0", "side~0")} == {NodeState.READY}
    await resume(rig, run_id)
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED
    assert await rig.output(run_id) == OUTPUT


@pytest.mark.parametrize("after", range(1, 7))
async def test_a_graph_goes_on_from_wherever_it_was_paused(after: int) -> None:
    rig, run_id = await graph()
    for _ in range(after):
        await rig.queue.deliver_next(rig.deliver)
    await pause(rig, run_id)
    called = dict(rig.toolbox.calls)
    await rig.drain()
    run = await rig.run(run_id)
    if run.state is not RunState.SUCCEEDED:
        assert run.state is RunState.PAUSED
        assert dict(rig.toolbox.calls) == called
        await rig.clock.advance(3600)
        await sweep_runs(rig.core, LEASE_SECONDS)
        await rig.drain()
        assert dict(rig.toolbox.calls) == called
        await resume(rig, run_id)
    assert await rig.output(run_id) == OUTPUT
    assert set(rig.toolbox.calls.values()) == {1}
    assert (await rig.run(run_id)).paused_at is None


async def test_a_model_response_in_flight_is_kept_and_no_other_is_asked_for() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent(tools=["echo"]))
    streaming(rig, lambda: pause(rig, started.run.id))
    await rig.drain()
    run = await rig.run(started.run.id)
    assert (run.state, len(rig.runner.requests)) == (RunState.PAUSED, 1)
    node = await rig.node(run.id, "main~0")
    assert (node.state, node.usage.requests, node.usage.tool_calls) == (NodeState.READY, 1, 1)
    await resume(rig, run.id)
    assert await rig.output(run.id) == "the end"
    assert rig.runner.requests == [("hello", 0), ("hello", 1)]
    assert list(rig.toolbox.calls.values()) == [1]


async def test_who_follows_a_paused_turn_is_told_so_and_follows_it_again_later() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent(tools=["echo"]))
    run_id, session = started.run.id, started.run.session_id
    streaming(rig, lambda: pause(rig, run_id))
    await rig.drain()
    told = await collect(rig, follow_session(rig.core, session, until_run=run_id))
    assert [update.event.author for update in told if isinstance(update, EventAppended)] == ["user", "agent", "tool"]
    assert told[-1] == RunPaused(run_id)
    await resume(rig, run_id)
    rest = await collect(rig, follow_session(rig.core, session, after=3, until_run=run_id))
    assert isinstance(rest[-1], EventAppended)
    assert rest[-1].event.turn_complete


async def test_the_time_for_which_a_run_is_paused_does_not_count() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent(tools=["echo"], limits={"seconds": 60}))
    streaming(rig, lambda: pause(rig, started.run.id))
    await rig.drain()
    await rig.clock.advance(3600)
    await resume(rig, started.run.id)
    run = await rig.run(started.run.id)
    assert run.state is RunState.SUCCEEDED
    assert 3599 < run.waited_seconds < 3602


async def test_a_paused_run_is_cancelled_at_once() -> None:
    for deliveries in range(6):
        rig, run_id = await graph()
        for _ in range(deliveries):
            await rig.queue.deliver_next(rig.deliver)
        await pause(rig, run_id)
        await rig.drain()
        await cancel_run(rig.core, ANN, run_id)
        await rig.drain()
        run = await rig.run(run_id)
        assert (run.state, run.paused_at) == (RunState.CANCELLED, None)
        assert not [path for path in rig.documents.paths if path.startswith("leases/")]


async def pending(rig: EngineRig) -> ApprovalId:
    found = await rig.documents.query(Query("approvals"))
    (one,) = [snapshot.id for snapshot in found if snapshot.fields["state"] == ApprovalState.PENDING]
    return ApprovalId(one)


@pytest.mark.parametrize("answered", ["before", "after"])
async def test_a_run_that_waits_for_people_is_paused_too_and_their_answer_is_not_lost(answered: str) -> None:
    rig = EngineRig(ScriptedRunner(lambda _: (Step(("may I?",), (("echo", {"value": 1}),)), Step(("the end",)))))
    agent = await rig.make_agent(tools=[{"name": "echo", "requires_approval": True}], limits={"seconds": 60})
    run_id = (await rig.start(agent)).run.id
    await rig.drain()
    await rig.clock.advance(100)
    await pause(rig, run_id)
    await rig.clock.advance(100)
    if answered == "before":
        await decide_approval(rig.core, ANN, await pending(rig), Decision("approve"))
        await rig.drain()
        assert (await rig.run(run_id)).state is RunState.PAUSED
        assert not rig.toolbox.calls
    await rig.clock.advance(100)
    await resume(rig, run_id)
    if answered == "after":
        assert (await rig.run(run_id)).state is RunState.WAITING
        await rig.clock.advance(100)
        await decide_approval(rig.core, ANN, await pending(rig), Decision("approve"))
        await rig.drain()
    run = await rig.run(run_id)
    assert run.state is RunState.SUCCEEDED
    assert abs(run.waited_seconds - (300 if answered == "before" else 400)) < 2


async def test_a_node_that_begins_to_wait_for_people_leaves_its_run_paused() -> None:
    rig = EngineRig()
    agent = await rig.make_agent(tools=[{"name": "echo", "requires_approval": True}])
    run_id = (await rig.start(agent)).run.id
    streaming(rig, lambda: pause(rig, run_id))
    await rig.drain()
    assert (await rig.node(run_id, "main~0")).state is NodeState.WAITING
    assert (await rig.run(run_id)).state is RunState.PAUSED
    await resume(rig, run_id)
    assert (await rig.run(run_id)).state is RunState.WAITING


async def test_a_back_off_goes_on_while_a_run_is_paused() -> None:
    failures = [ModelUnavailable("down")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    rig = EngineRig(ScriptedRunner(lambda _: (Step(("the end",), before_end=fail),)))
    run_id = (await rig.start(await rig.make_agent())).run.id
    await rig.queue.deliver_next(rig.deliver)
    await pause(rig, run_id)
    await rig.clock.advance(60)
    await rig.drain()
    assert len(rig.runner.requests) == 1
    await resume(rig, run_id)
    assert await rig.output(run_id) == "the end"


async def test_a_run_that_waits_for_its_session_can_be_paused_and_then_holds_it() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent(), input="one")
    session = first.run.session_id
    second = await rig.start(session_id=session, input="two", if_busy="enqueue")
    await pause(rig, second.run.id)
    await resume_run(rig.core, ANN, second.run.id)
    assert [task for task in rig.queue.pending if task.run_id == second.run.id] == []
    await pause(rig, second.run.id)
    await rig.drain()
    assert (await rig.run(first.run.id)).state is RunState.SUCCEEDED
    assert (await rig.run(second.run.id)).state is RunState.PAUSED
    await resume(rig, second.run.id)
    assert (await rig.run(second.run.id)).state is RunState.SUCCEEDED


async def test_pausing_and_resuming_twice_changes_nothing() -> None:
    rig, run_id = await graph()
    await pause(rig, run_id)
    await pause(rig, run_id)
    assert (await rig.run(run_id)).pauses == 1
    await rig.drain()
    await resume_run(rig.core, ANN, run_id)
    await resume(rig, run_id)
    await rig.drain()
    assert set(rig.toolbox.calls.values()) == {1}
    refused: list[tuple[type[DomainError], Any]] = [
        (RunEnded, pause_run(rig.core, ANN, run_id)),
        (RunEnded, resume_run(rig.core, ANN, run_id)),
        (NotFound, pause_run(rig.core, Uid("bob"), run_id)),
        (NotFound, resume_run(rig.core, Uid("bob"), run_id)),
    ]
    for error, asking in refused:
        with pytest.raises(error):
            await asking


async def test_many_pauses_do_not_use_up_a_nodes_attempts() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent(tools=["echo"]), claim=Token("t"))
    await rig.clock.advance(LEASE_SECONDS + 1)  # who claimed it died
    for _ in range(30):
        await pause(rig, started.run.id)
        await sweep_runs(rig.core, LEASE_SECONDS)
        await rig.drain()
        await resume_run(rig.core, ANN, started.run.id)
        await pause(rig, started.run.id)
        await rig.drain()
        await rig.clock.advance(LEASE_SECONDS + 1)
    await resume(rig, started.run.id)
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED


async def ask(rig: EngineRig, verb: Any, run_id: RunId, documents: FailingDocuments) -> None:
    """Ask for a pause or a resumption; who gets no answer asks again."""
    store: Any = documents
    for _ in range(2):
        try:
            await verb(Core(store, rig.queue, rig.clock, rig.ids), ANN, run_id)
        except Died:
            store = rig.documents
            continue
        return


@pytest.mark.parametrize("shape", ["graph", "single"])
@pytest.mark.parametrize("fate", FATES)
async def test_a_failure_at_any_commit_of_whoever_pauses_works_or_resumes_loses_nothing(fate: Fate, shape: str) -> None:
    for at in range(12):
        for deliveries in (0, 1, 3):
            if shape == "graph":
                rig, run_id = await graph()
            else:
                rig = EngineRig(ScriptedRunner(lambda _: (Step(("look",), (("echo", {"value": 1}),)), Step(("end",)))))
                run_id = (await rig.start(await rig.make_agent(tools=["echo"]))).run.id
            failing = FailingDocuments(rig.documents, at_commit(at, fate))
            for _ in range(deliveries):
                await rig.queue.deliver_next(rig.deliver)
            if (await rig.run(run_id)).completed_at is None:
                await ask(rig, pause_run, run_id, failing)
                await rig.work(None, failing)
                assert (await rig.run(run_id)).state is RunState.PAUSED
                calls = dict(rig.toolbox.calls)
                await rig.work(None, None)
                assert dict(rig.toolbox.calls) == calls
                again = FailingDocuments(rig.documents, at_commit(at, fate))
                await ask(rig, resume_run, run_id, again)
                await rig.work(None, again)
            run = await rig.run(run_id)
            assert run.state is RunState.SUCCEEDED
            assert await rig.output(run_id) == (OUTPUT if shape == "graph" else "end")
            assert not [path for path in rig.documents.paths if path.startswith("leases/")]
            assert rig.defects == []


async def test_a_resumption_while_a_worker_gives_its_claim_up_wakes_the_node() -> None:
    rig, run_id = await graph()
    await pause(rig, run_id)
    resumed: list[bool] = []

    async def resume() -> None:
        resumed.append(True)
        await resume_run(rig.core, ANN, run_id)

    def undoes_a_claim(writes: Any) -> bool:
        return any(fields_of(write).get("state") == NodeState.READY for write in writes)

    documents = InterferingDocuments(rig.documents, resume, before=undoes_a_claim)
    await rig.deliver(rig.queue.pending.popleft(), documents)
    await rig.drain()
    assert resumed
    assert await rig.output(run_id) == OUTPUT
    assert rig.clock.now() - (await rig.run(run_id)).created_at < timedelta(seconds=60)  # no sweeper was needed
