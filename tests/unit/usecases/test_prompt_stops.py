"""Whoever streams hears within a second that its run is cancelled, however long it has been streaming."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

from shared.domain.ids import Instance, RunId
from shared.domain.nodes import NodeRun, nodes_path
from shared.domain.records import parse
from shared.domain.segments import segments_path
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentResult, AgentTurn, StepSink, ToolCaller
from shared.ports.documents import Query, Snapshot
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import ScriptedRunner, Step

PAIR = {"left": {"description": "talks"}, "right": {"description": "talks too"}}
ASKING = (Step(("I ask",), (("ask_left", {"task": "talk"}), ("ask_right", {"task": "talk"}))), Step(("done",)))


@dataclass(slots=True)
class Chatterbox(ScriptedRunner):
    """Says a word every tenth of a second, for ever; who has delegates plays the script, which asks them."""

    rig: EngineRig | None = None

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        if turn.agent.delegates:
            return await ScriptedRunner.run(self, turn, sink, tools)
        assert self.rig is not None
        await sink.begin(0)
        while True:
            await sink.text("word ")
            await self.rig.clock.sleep(0.1)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5, 7.7, 30.1, 63.0])
async def test_a_streaming_run_is_cancelled_within_a_second_and_keeps_what_was_said(seconds: float) -> None:
    runner = Chatterbox()
    rig = EngineRig(runner)
    runner.rig = rig
    started = await rig.start(await rig.make_agent())
    working = asyncio.ensure_future(rig.deliver(rig.queue.pending.popleft()))
    await rig.clock.sleep(seconds)
    await cancel_run(rig.core, ANN, started.run.id)
    asked = rig.clock.monotonic()
    await working
    assert rig.clock.monotonic() - asked < 1
    run = await rig.run(started.run.id)
    last = (await rig.events(run.session_id))[-1]
    assert (run.state, last["partial"]) == (RunState.CANCELLED, True)
    assert last["content"]["text"].startswith("word word ")


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5, 7.7, 30.1, 63.0])
async def test_delegates_that_stream_side_by_side_are_cancelled_within_a_second_and_keep_what_they_said(
    seconds: float,
) -> None:
    runner = Chatterbox(script=lambda _: ASKING, calls_at_once=True)
    rig = EngineRig(runner)
    runner.rig = rig
    started = await rig.start(await rig.make_agent(type="delegation", agents=PAIR))
    working = asyncio.ensure_future(rig.deliver(rig.queue.pending.popleft()))
    await rig.clock.sleep(seconds)
    assert [child.state for child in await children(rig, started.run.id)] == [NodeState.RUNNING] * 2
    await cancel_run(rig.core, ANN, started.run.id)
    asked = rig.clock.now()
    await working
    ended = await children(rig, started.run.id)
    assert [child.state for child in ended] == [NodeState.CANCELLED] * 2
    for child in ended:
        text = await said(rig, started.run.id, child.instance)
        assert text.startswith("word " * int(10 * seconds))
        assert child.text == text
    run = await rig.run(started.run.id)
    assert run.state is RunState.CANCELLED
    ends = [one.completed_at for one in (run, *ended) if one.completed_at is not None]
    assert [end - asked < timedelta(seconds=1) for end in ends] == [True] * 3
    await rig.drain()
    assert runner.requests == [("hello", 0)]


TALK = {"kind": "agent", "prompt": "talk"}
TALKING = {
    "talk": TALK,
    "each": {"kind": "map", "over": "{{ input.items }}", "body": TALK},
    "in": {"kind": "subgraph", "graph": {"nodes": {"talk": TALK}}},
}
TALKERS = ["each[0]~0", "each[1]~0", "in.talk~0", "talk~0"]


@pytest.mark.parametrize("seconds", [0.3, 2.5, 30.1])
async def test_nodes_of_a_graph_that_stream_are_cancelled_within_a_second_and_keep_what_they_said(
    seconds: float,
) -> None:
    runner = Chatterbox()
    rig = EngineRig(runner)
    runner.rig = rig
    agent = await rig.make_agent(type="graph", graph={"nodes": TALKING})
    run_id = (await rig.start(agent, input={"items": ["a", "b"]})).run.id
    working: list[asyncio.Future[bool]] = []
    while len(await talkers(rig, run_id, NodeState.RUNNING)) < len(TALKERS):
        working += [asyncio.ensure_future(rig.deliver(task)) for task in rig.queue.pending]
        rig.queue.pending.clear()
        await rig.clock.sleep(0.01)
    await rig.clock.sleep(seconds)
    await cancel_run(rig.core, ANN, run_id)
    asked = rig.clock.now()
    await asyncio.gather(*working)
    ended = await talkers(rig, run_id, NodeState.CANCELLED)
    assert [node.instance for node in ended] == TALKERS
    for node in ended:
        assert node.completed_at is not None
        assert node.completed_at - asked < timedelta(seconds=1)
        text = await said(rig, run_id, node.instance)
        assert text.startswith("word " * int(9 * seconds))  # four workers share the rig's clock
        assert node.text == text
    await rig.drain()
    assert (await rig.run(run_id)).state is RunState.CANCELLED


async def talkers(rig: EngineRig, run_id: RunId, state: NodeState) -> list[NodeRun]:
    """The agents of the graph that are in a state."""
    nodes = [parse(NodeRun, node.fields or {}) for node in await rig.documents.query(Query(nodes_path(run_id)))]
    return [node for node in nodes if node.instance in TALKERS and node.state is state]


async def children(rig: EngineRig, run: RunId) -> list[NodeRun]:
    """The nodes of those who were asked."""
    nodes = [parse(NodeRun, node.fields or {}) for node in await rig.documents.query(Query(nodes_path(run)))]
    return [node for node in nodes if node.item in PAIR]


async def said(rig: EngineRig, run: RunId, instance: Instance) -> str:
    """What is kept of a node's live text, which ends with it."""
    found: list[Snapshot] = await rig.documents.query(Query(segments_path(run, instance)))
    segments = [segment.fields for segment in found if segment.fields is not None]
    assert segments[-1]["final"]
    return "".join(segment["text"] for segment in segments)
