"""A run that nobody has begun is cancelled in the cancel's own request, whatever becomes of its tasks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import NotFound
from shared.domain.facts import fact_path, run_end_id
from shared.domain.ids import RunId
from shared.domain.nodes import NodeRun, nodes_path
from shared.domain.quotas import Quota
from shared.domain.records import parse
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import NodeState, RunState
from shared.ports.documents import Query, Snapshot
from shared.usecases.nodes.find_lost import find_lost
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.pause_run import pause_run
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.interfering_documents import InterferingDocuments
from tests.support.scripted_runner import COST

ECHO = {"kind": "tool", "tool": "echo", "arguments": {"value": "a"}}
CHAIN = {"first": ECHO, "second": {**ECHO, "after": ["first"]}}
LAYERS = {"a": ECHO, "b": ECHO, "all": {"kind": "join", "after": ["a", "b"], "policy": "any"}}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "single": {},
    "delegation": {"type": "delegation", "agents": {"helper": {"description": "helps"}}},
    "graph": {"type": "graph", "graph": {"nodes": CHAIN}},
    "graph with two entries that may end early": {"type": "graph", "graph": {"nodes": LAYERS}},
}
ENTRIES = {
    "single": ["main~0"],
    "delegation": ["main~0"],
    "graph": ["first~0"],
    "graph with two entries that may end early": ["a~0", "b~0"],
}


async def queued(rig: EngineRig, shape: str = "single") -> RunId:
    """A run whose first tasks are in the queue."""
    return (await rig.start(await rig.make_agent(**DEFINITIONS[shape]))).run.id


async def nodes_of(rig: EngineRig, run_id: RunId) -> dict[str, tuple[NodeState, int]]:
    nodes = [parse(NodeRun, node.fields or {}) for node in await rig.documents.query(Query(nodes_path(run_id)))]
    return {node.instance: (node.state, node.attempt) for node in nodes}


async def assert_ended_unbegun(rig: EngineRig, run_id: RunId, shape: str) -> None:
    run = await rig.run(run_id)
    assert (run.state, run.cancel_requested, run.next_sweep_at) == (RunState.CANCELLED, True, None)
    assert run.completed_at is not None
    assert await nodes_of(rig, run_id) == dict.fromkeys(ENTRIES[shape], (NodeState.CANCELLED, 0))
    events = await rig.events(run.session_id)
    assert [(event["author"], event["error_code"]) for event in events[:2]] == [("user", None), ("system", "cancelled")]
    assert (rig.runner.requests, rig.toolbox.calls.total()) == ([], 0)
    assert not [path for path in rig.documents.paths if path.startswith("leases/")]


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_it_ends_in_one_commit_and_its_tasks_find_nothing_to_do(shape: str) -> None:
    rig = EngineRig()
    run_id = await queued(rig, shape)
    documents = FailingDocuments(rig.documents, lambda _: Fate.APPLIED)
    run = await cancel_run(rig.engine(documents).core, ANN, run_id)
    assert (run.state, documents.commits) == (RunState.CANCELLED, 1)
    await assert_ended_unbegun(rig, run_id, shape)
    assert parse(Slot, (await rig.documents.get(slot_path(run.session_id))).fields or {}).run_id is None
    assert (await rig.documents.get(fact_path(run_end_id(run)))).exists
    tasks = list(rig.queue.pending)
    assert [task.instance for task in tasks] == ENTRIES[shape]
    for task in tasks * 2:
        assert await rig.deliver(task)
    assert await rig.drain() == len(tasks)
    await assert_ended_unbegun(rig, run_id, shape)
    assert len(await rig.events(run.session_id)) == 2


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_a_worker_that_claims_at_the_same_instant_hears_of_it_instead(shape: str) -> None:
    rig = EngineRig()
    run_id = await queued(rig, shape)

    async def claim_and_die() -> None:
        with suppress(Died):
            await rig.deliver(rig.queue.pending.popleft(), dies_after_its_first_commit(rig))

    documents = InterferingDocuments(rig.documents, claim_and_die, before_commit=1)
    run = await cancel_run(rig.engine(documents).core, ANN, run_id)
    assert (run.completed_at, run.cancel_requested) == (None, True)
    assert {state for state, _ in (await nodes_of(rig, run_id)).values()} == {NodeState.RUNNING}
    await rig.work(run_id)
    assert (await rig.run(run_id)).state is RunState.CANCELLED
    assert (rig.runner.requests, rig.toolbox.calls.total()) == ([], 0)


def dies_after_its_first_commit(rig: EngineRig) -> FailingDocuments:
    return FailingDocuments(rig.documents, lambda _: Fate.DIES_AFTER)


@pytest.mark.parametrize("shape", DEFINITIONS)
@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_commit_of_which_the_store_says_nothing_ends_it_once(fate: Fate, shape: str) -> None:
    rig = EngineRig()
    run_id = await queued(rig, shape)
    documents = FailingDocuments(rig.documents, lambda n: fate if n == 0 else Fate.APPLIED)
    assert (await cancel_run(rig.engine(documents).core, ANN, run_id)).state is RunState.CANCELLED
    assert documents.commits == (1 if fate is Fate.REPLY_LOST else 2)
    await assert_ended_unbegun(rig, run_id, shape)


@pytest.mark.parametrize("shape", DEFINITIONS)
@pytest.mark.parametrize("fate", [Fate.APPLIED, Fate.DIES_AFTER, Fate.REPLY_LOST])
@pytest.mark.parametrize("then", ["nothing", "asked again", "its tasks come", "swept"])
async def test_the_sessions_next_run_begins_whoever_died(fate: Fate, shape: str, then: str) -> None:
    rig = EngineRig()
    run_id = await queued(rig, shape)
    session_id = (await rig.run(run_id)).session_id
    following = (await rig.start(session_id=session_id, input="and then?", if_busy="enqueue")).run.id
    if then != "its tasks come":
        while rig.queue.pending:
            rig.queue.lose_next()
    documents = FailingDocuments(rig.documents, lambda _: fate)
    with suppress(Died):
        await cancel_run(rig.engine(documents).core, ANN, run_id)
    await assert_ended_unbegun(rig, run_id, shape)
    if then == "asked again":
        await cancel_run(rig.core, ANN, run_id)
    elif then == "swept":
        await rig.clock.advance(61)
        await sweep_runs(rig.core, LEASE_SECONDS)
    await rig.drain()
    is_lost = fate is Fate.DIES_AFTER and then == "nothing"
    assert (await rig.run(following)).state is (RunState.QUEUED if is_lost else RunState.SUCCEEDED)
    said = [event["content"]["text"] for event in await rig.events(session_id) if event["author"] == "user"]
    assert said == ["hello", "and then?"]


async def test_a_cancel_that_died_before_its_commit_is_asked_for_again() -> None:
    rig = EngineRig()
    run_id = await queued(rig)
    with pytest.raises(Died):
        await cancel_run(rig.engine(FailingDocuments(rig.documents, lambda _: Fate.DIES_BEFORE)).core, ANN, run_id)
    assert (await rig.run(run_id)).state is RunState.QUEUED
    await cancel_run(rig.core, ANN, run_id)
    await assert_ended_unbegun(rig, run_id, "single")


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_one_that_is_paused_before_anybody_began_it_ends_at_once_too(shape: str) -> None:
    rig = EngineRig()
    run_id = await queued(rig, shape)
    await pause_run(rig.core, ANN, run_id)
    assert (await cancel_run(rig.core, ANN, run_id)).paused_at is None
    await assert_ended_unbegun(rig, run_id, shape)


async def test_an_interrupting_message_begins_though_the_tasks_of_the_other_are_lost() -> None:
    rig = EngineRig()
    run_id = await queued(rig)
    rig.queue.lose_next()
    session_id = (await rig.run(run_id)).session_id
    second = await rig.start(session_id=session_id, input="no, this", if_busy="interrupt")
    assert (await rig.run(run_id)).state is RunState.CANCELLED
    await rig.drain()
    assert (await rig.run(second.run.id)).state is RunState.SUCCEEDED
    assert rig.runner.requests == [("no, this", 0)]


async def test_it_counts_as_active_no_more_and_cost_nothing() -> None:
    rig = EngineRig(quota=Quota(concurrent_runs=1))
    run_id = await queued(rig)
    await cancel_run(rig.core, ANN, run_id)
    again = (await rig.start(session_id=(await rig.run(run_id)).session_id)).run.id
    await rig.drain()
    assert ((await rig.run(run_id)).usage.requests, (await rig.run(again)).usage) == (0, COST)


@pytest.mark.parametrize("shape", ["single", "graph"])
async def test_it_can_be_retried(shape: str) -> None:
    rig = EngineRig()
    run_id = await queued(rig, shape)
    await cancel_run(rig.core, ANN, run_id)
    again = await repeat_run(rig.core, RepeatRequest(ANN, run_id, "retry"))
    await rig.drain()
    assert (await rig.run(again.run.id)).state is RunState.SUCCEEDED


async def test_only_its_owner_ends_it() -> None:
    rig = EngineRig()
    run_id = await queued(rig)
    with pytest.raises(NotFound):
        await cancel_run(rig.core, type(ANN)("bob"), run_id)
    assert (await rig.run(run_id)).state is RunState.QUEUED


async def test_a_sweep_that_has_read_the_run_before_sets_nothing_off() -> None:
    rig = EngineRig()
    run_id = await queued(rig, "graph")

    class CancelledMeanwhile(ForwardingDocuments):
        async def query(self, query: Query) -> list[Snapshot]:
            await cancel_run(rig.core, ANN, run_id)
            return await super().query(query)

    core = replace(rig.core, documents=CancelledMeanwhile(rig.documents))
    assert (await find_lost(core, run_id, rig.clock.now())).instances == []
