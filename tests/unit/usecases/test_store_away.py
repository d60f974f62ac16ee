"""A store that does not answer for a while is no node's failure: the node is given up, and goes on when it is back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from shared.domain.errors import StoreUnavailable
from shared.domain.ids import RunId
from shared.domain.nodes import NodeRun, nodes_path
from shared.domain.records import parse
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import Query, Snapshot
from tests.support.engine_rig import CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step

ECHO = (("echo", {"value": "a"}),)
STEPS = (Step(("let me ", "look"), ECHO), Step(("it ", "is")))
TWO = {
    "one": {"kind": "tool", "tool": "echo", "arguments": {"value": 1}},
    "two": {"kind": "agent", "prompt": "{{ one.output }}", "tools": ["echo"]},
    "both": {"kind": "join", "after": ["one", "two"]},
}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "single": {"tools": ["echo"]},
    "delegation": {"type": "delegation", "agents": {"helper": {"description": "helps", "tools": ["echo"]}}},
    "graph": {"type": "graph", "graph": {"nodes": TWO}},
    "metered": {"type": "graph", "graph": {"nodes": TWO}, "budget": {"calls": 50, "parallel_nodes": 5}},
}
OUTPUTS = {"single": "it is", "delegation": "done", "graph": [1, "it is"], "metered": [1, "it is"]}


def script(turn: AgentTurn) -> Sequence[Step]:
    return (Step(("I ask",), (("ask_helper", {"task": "look"}),)), Step(("done",))) if turn.agent.delegates else STEPS


def rig() -> EngineRig:
    return EngineRig(ScriptedRunner(script), CountingToolbox({"echo": lambda args: args["value"]}))


@dataclass(slots=True)
class Absence:
    """When the store does not answer, and what becomes of the commit after such a read, or before it.

    Args:
        read: the number of the read that comes to nothing.
        then: the fate of the commit after it.
        lost: the number of the commit whose reply is lost; the read that asks what became of it comes to nothing, too.
    """

    read: int | None = None
    then: Fate = Fate.APPLIED
    lost: int | None = None


class Away(FailingDocuments):
    """Does not answer now and then; `met` says whether that came to pass."""

    def __init__(self, inner: Any, absence: Absence) -> None:
        super().__init__(inner, self._fate_of)
        self._absence = absence
        self.met = False
        self._was_away = self._is_away = False
        self.reads = 0

    def _fate_of(self, number: int) -> Fate:
        self._is_away = number == self._absence.lost
        self.met = self.met or self._is_away
        was_away, self._was_away = self._was_away, False
        return Fate.REPLY_LOST if self._is_away else self._absence.then if was_away else Fate.APPLIED

    def _answers(self) -> None:
        self._check()
        self.reads += 1
        if self._is_away or self.reads - 1 == self._absence.read:
            self._is_away, self._was_away, self.met = False, True, True
            raise StoreUnavailable("the document store does not answer")

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        self._answers()
        return await super().get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        self._answers()
        return await super().query(query)


async def deliver_all(here: EngineRig, run_id: RunId, documents: ForwardingDocuments) -> None:
    """Deliver as a queue does, which tries again what came to an error."""
    for _ in range(100):
        if (await here.run(run_id)).completed_at is not None and not here.queue.pending:
            return
        try:
            await here.work(run_id, documents)
        except StoreUnavailable:
            await here.clock.advance(2)
    raise AssertionError("there is no end")


async def nodes_of(here: EngineRig, run_id: RunId) -> list[NodeRun]:
    return [parse(NodeRun, found.fields or {}) for found in await here.documents.query(Query(nodes_path(run_id)))]


async def play(shape: str, absence: Absence) -> Away:
    """The store with which a run has come to its end as if it had answered all the time."""
    here = rig()
    run_id = (await here.start(await here.make_agent(**DEFINITIONS[shape]))).run.id
    documents = Away(here.documents, absence)
    await deliver_all(here, run_id, documents)
    assert (await here.run(run_id)).state is RunState.SUCCEEDED
    assert await here.output(run_id) == OUTPUTS[shape]
    nodes = await nodes_of(here, run_id)
    assert [(node.state, node.failures, node.error) for node in nodes] == [(NodeState.SUCCEEDED, 0, None)] * len(nodes)
    assert here.defects == []
    return documents


@pytest.mark.parametrize("fate", [Fate.APPLIED, Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_any_read_may_come_to_nothing_and_no_node_fails_whatever_becomes_of_the_commit_after_it(
    shape: str, fate: Fate
) -> None:
    reads = (await play(shape, Absence())).reads
    met = [(await play(shape, Absence(read=at, then=fate))).met for at in range(reads)]
    assert met == [True] * reads
    assert reads > 0


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_nor_does_one_fail_of_whose_commits_nobody_can_say_whether_they_were_applied(shape: str) -> None:
    commits = (await play(shape, Absence())).commits
    met = [(await play(shape, Absence(lost=at))).met for at in range(commits)]
    assert met == [True] * commits
    assert commits > 0


async def test_it_comes_again_after_longer_and_longer_and_not_for_ever() -> None:
    here = rig()
    asked: list[float] = []

    class Silent(ForwardingDocuments):
        """Never answers who reads what a node refers to."""

        async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
            if len(paths) == 1 and paths[0].endswith("/one~0"):
                asked.append(here.clock.monotonic())
                raise StoreUnavailable("the document store does not answer")
            return await super().get_many(paths)

    nodes = {"one": TWO["one"], "side": TWO["one"], "two": {**TWO["two"], "after": ["one", "side"]}}
    run = (await here.start(await here.make_agent(type="graph", tools=["echo"], graph={"nodes": nodes}))).run
    documents = Silent(here.documents)
    while (await here.run(run.id)).completed_at is None:
        await here.queue.deliver_next(lambda task: here.deliver(task, documents))
        await here.clock.advance(1)
    two = await here.node(run.id, "two~0")
    assert (two.state, two.attempt, two.failures, two.waits) == (NodeState.FAILED, 21, 0, 0)
    assert two.error is not None
    assert "was attempted 20 times" in two.error.message
    pauses = [then - before for before, then in pairwise(asked)]
    assert (len(pauses), pauses[0] < 6) == (19, True)
    assert all(30 <= pause < 65 for pause in pauses[4:])
    assert here.runner.requests == []
