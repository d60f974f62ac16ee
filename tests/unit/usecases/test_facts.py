"""The end of a run is told of, whatever dies between the commit that ends it and whoever hears of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.memory.topic import MemoryFactTopic
from shared.domain.facts import FACTS, UNHEARD_AFTER, Fact, run_end_id
from shared.domain.ids import RunId
from shared.domain.records import from_json, parse
from shared.domain.states import RunState
from shared.ports.documents import Documents, Query
from shared.usecases.facts.sweep_facts import sweep_facts
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.noting_documents import NotingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step

GRAPH: dict[str, Any] = {
    "first": {"kind": "tool", "tool": "echo", "arguments": {"value": 1}},
    "then": {"kind": "tool", "tool": "echo", "arguments": {"value": 2}, "after": ["first"]},
}
DEFINITIONS: dict[str, Any] = {"single": {}, "graph": {"type": "graph", "graph": {"nodes": GRAPH}}}


class Newsroom:
    """One deployment with a topic."""

    def __init__(self) -> None:
        self.topic = MemoryFactTopic()
        self.rig = EngineRig(ScriptedRunner(lambda _: (Step(("done",)),)), topic=self.topic)

    def core(self, documents: Documents | None = None) -> Core:
        return replace(self.rig.core, documents=documents or self.rig.documents)

    async def work(self, run_id: RunId, documents: Documents | None = None) -> None:
        await self.rig.work(run_id, documents)

    async def facts(self) -> list[Fact]:
        found = await self.rig.documents.query(Query(FACTS))
        return [parse(Fact, snapshot.fields or {}) for snapshot in found]

    async def start(self, shape: str = "single", **request: Any) -> RunId:
        agent = await self.rig.make_agent(**DEFINITIONS[shape])
        return (await self.rig.start(agent, **request)).run.id


@pytest.mark.parametrize("shape", ["single", "graph"])
async def test_the_end_of_a_run_is_stored_with_it_and_published(shape: str) -> None:
    here = Newsroom()
    run_id = await here.start(shape)
    await here.work(run_id)
    (fact,) = await here.facts()
    run = await here.rig.run(run_id)
    assert (fact.kind, fact.owner_uid, fact.at, here.topic.published) == (
        "run.succeeded",
        ANN,
        run.completed_at,
        [fact.id],
    )
    assert from_json(fact.data_json) == {
        "run_id": run_id,
        "agent_id": run.agent_id,
        "version": 1,
        "session_id": run.session_id,
        "state": "succeeded",
        "error": None,
        "created_at": run.created_at.isoformat(),
        "completed_at": fact.at.isoformat(),
    }


async def test_a_failure_says_why() -> None:
    here = Newsroom()
    here.rig.toolbox.tools.clear()
    await here.work(await here.start("graph"))
    (fact,) = await here.facts()
    assert fact.kind == "run.failed"
    assert from_json(fact.data_json)["error"]["code"] == "failed_precondition"


@pytest.mark.parametrize("queued", [False, True])
async def test_a_run_that_is_cancelled_is_told_of_even_if_it_never_started(*, queued: bool) -> None:
    here = Newsroom()
    first = await here.start()
    if queued:
        session = (await here.rig.run(first)).session_id
        run_id = (await here.rig.start(None, session_id=session, if_busy="enqueue")).run.id
    else:
        run_id = first
    await cancel_run(here.core(), ANN, run_id)
    if not queued:
        await here.work(run_id)
    run = await here.rig.run(run_id)
    assert (run.state, [fact.kind for fact in await here.facts()]) == (RunState.CANCELLED, ["run.cancelled"])
    assert here.topic.published == [run_end_id(run)]


@pytest.mark.parametrize("shape", ["single", "graph"])
async def test_the_end_costs_one_write_more_and_no_commit(shape: str) -> None:
    here = Newsroom()
    documents = NotingDocuments(here.rig.documents)
    await here.work(await here.start(shape), documents)
    collections = [[write.path.partition("/")[0] for write in writes] for writes in documents.commits]
    (ending,) = [names for names in collections if FACTS in names]
    assert ending.count(FACTS) == 1
    assert {"leases", "runs", "slots"} < set(ending)


@pytest.mark.parametrize("shape", ["single", "graph"])
@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_leaves_one_fact_that_is_published_in_the_end(shape: str, fate: Fate) -> None:
    counted = Newsroom()
    documents = NotingDocuments(counted.rig.documents)
    await counted.work(await counted.start(shape), documents)
    for at in range(len(documents.commits)):
        here = Newsroom()
        run_id = await here.start(shape)
        await here.work(run_id, FailingDocuments(here.rig.documents, at_commit(at, fate)))
        await here.rig.clock.advance(UNHEARD_AFTER.total_seconds())
        assert await sweep_facts(here.core(), 10) == 1
        (fact,) = await here.facts()
        assert fact.kind == "run.succeeded"
        assert set(here.topic.published) == {fact.id}


async def test_a_topic_that_does_not_answer_delays_nothing_but_the_news() -> None:
    here = Newsroom()
    here.topic.fail_next()
    run_id = await here.start()
    await here.work(run_id)
    assert ((await here.rig.run(run_id)).state, here.topic.published) == ("succeeded", [])
    assert await sweep_facts(here.core(), 10) == 0
    await here.rig.clock.advance(UNHEARD_AFTER.total_seconds())
    assert await sweep_facts(here.core(), 10) == 1
    assert here.topic.published == [fact.id for fact in await here.facts()]


async def test_a_sweep_at_which_the_topic_does_not_answer_counts_for_nothing() -> None:
    here = Newsroom()
    await here.work(await here.start())
    (before,) = await here.facts()
    await here.rig.clock.advance(UNHEARD_AFTER.total_seconds())
    here.topic.fail_next()
    assert await sweep_facts(here.core(), 10) == 0
    assert await here.facts() == [before]
    assert await sweep_facts(here.core(), 10) == 1


async def test_what_nobody_hears_is_published_more_and_more_seldom() -> None:
    here = Newsroom()
    await here.work(await here.start())
    waits: list[timedelta] = []
    for _ in range(8):
        (fact,) = await here.facts()
        assert fact.due_at is not None
        await here.rig.clock.advance((fact.due_at - here.rig.clock.now()).total_seconds())
        before = here.rig.clock.now()
        assert await sweep_facts(here.core(), 10) == 1
        (fact,) = await here.facts()
        assert fact.due_at is not None
        waits.append(fact.due_at - before)
    assert [wait.total_seconds() / 60 for wait in waits] == [2, 4, 8, 16, 32, 60, 60, 60]
