"""What must hold when a schedule is over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.domain.ids import Instance, NodeId, SessionId, instance_of
from shared.domain.joins import JoinCount, Readiness, decide, join_path, needs_counter
from shared.domain.nodes import NodeRun, node_path
from shared.domain.plans import END, AgentWork, MapWork, PlanNode
from shared.domain.records import from_json, parse
from shared.domain.runs import Run
from shared.domain.segments import segments_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.usage import Usage
from shared.usecases.sessions.turn_updates import EventAppended, RunWithdrawn, TextShown
from tests.support.chaos.agents import COST
from tests.support.chaos.clients import Reading
from tests.support.chaos.definitions import script_of
from tests.support.chaos.oracle import Expected, expect
from tests.support.chaos.world import World

Documents = Mapping[str, Mapping[str, Any]]
EXCUSES = frozenset({"model_unavailable", "unavailable", "uncertain_tool_call", "failed_precondition"})
"""Codes with which a node may fail because of what was done to it; every other failure is the plan's own."""


def faults_in(world: World, readings: Sequence[Reading], items: int) -> Iterator[str]:
    """Everything that is wrong with what is stored."""
    found = {snapshot.path: snapshot.fields or {} for snapshot in world.store.read(world.store.paths)}
    yield from (f"lease {path} remains" for path in found if path.startswith("leases/"))
    yield from (f"asyncio reports: {report}" for report in world.loop.unhandled)
    for watched in world.monitor.runs.values():
        run = parse(Run, found[f"runs/{watched.id}"])
        nodes = {
            path: parse(NodeRun, fields)
            for path, fields in found.items()
            if path.startswith(f"runs/{run.id}/nodes/") and path.count("/") == 3
        }
        yield from (
            f"run {run.id}: {fault}" for fault in RunCheck(world, found, run, nodes, items).faults(watched.entered)
        )
    for session_id in world.monitor.owners:
        yield from (f"session {session_id}: {fault}" for fault in _session_faults(world, found, session_id))
    for reading in readings:
        yield from (f"the client of {reading.run_id}: {fault}" for fault in _reading_faults(world, reading))


class RunCheck:
    """The invariants of one run."""

    def __init__(self, world: World, found: Documents, run: Run, nodes: Mapping[str, NodeRun], items: int) -> None:
        self._world = world
        self._found = found
        self._run = run
        self._nodes = nodes
        self._graph = world.definition.graph
        self._expected = expect(self._graph, from_json(run.input_json))
        self._items = items

    def faults(self, entered: bool) -> Iterator[str]:  # noqa: FBT001 - whether the run ever had the slot
        """Everything that is wrong."""
        run = self._run
        if not is_terminal(run.state) or run.completed_at is None or run.next_sweep_at is not None:
            yield f"is {run.state}, completed {run.completed_at}, swept {run.next_sweep_at}"
            return
        if (run.state is RunState.SUCCEEDED) != (run.error is None):
            yield f"is {run.state} with error {run.error}"
        if run.state is RunState.CANCELLED and not run.cancel_requested:
            yield "is cancelled, and nobody asked for it"
        if not entered:
            if run.state is not RunState.CANCELLED or self._nodes:
                yield f"never had the slot, is {run.state}, and has nodes {list(self._nodes)}"
            return
        yield from self._node_faults()
        yield from self._outcome_faults()
        yield from self._counter_faults()

    # Nodes.

    def _node(self, node: NodeId, index: int | None = None) -> NodeRun | None:
        return self._nodes.get(node_path(self._run.id, instance_of(node, self._run.epoch, index)))

    def _instances(self, node: PlanNode) -> list[NodeRun | None]:
        """The vertex's own node run, and those of its items."""
        own = self._node(node.id)
        count = len(from_json(own.items_json)) if own is not None and own.items_json is not None else 0
        return [own, *(self._node(node.id, index) for index in range(count))]

    def _succeeded(self, node: NodeId) -> bool:
        instances = self._instances(self._graph.by_id[node])
        return all(one is not None and one.state is NodeState.SUCCEEDED for one in instances)

    def _node_faults(self) -> Iterator[str]:
        count = 0
        for vertex in self._graph.plan.nodes:
            fate = self._expected[vertex.id]
            for position, node in enumerate(self._instances(vertex)):
                count += 1
                if node is None or not is_terminal(node.state):
                    yield f"{vertex.id} (item {position - 1}) is {node.state if node else 'missing'}"
                    continue
                item = fate if position == 0 or fate.items is None else fate.items[position - 1]
                yield from (f"{node.instance}: {fault}" for fault in self._one_node(vertex, node, item))
        if count != len(self._nodes):
            yield f"has {len(self._nodes)} node runs, and its plan {count}"

    def _one_node(self, vertex: PlanNode, node: NodeRun, fate: Expected) -> Iterator[str]:
        ready = all(self._succeeded(before) for before in vertex.after)
        is_end = vertex.id == END
        if (node.state is NodeState.SKIPPED) == ready and not is_end and node.state is not NodeState.CANCELLED:
            yield f"is {node.state} after {vertex.after}"
        if self._world.monitor.outcomes[node_path(self._run.id, node.instance)] != 1:
            yield "has not exactly one outcome"
        if (node.state in {NodeState.FAILED, NodeState.CANCELLED}) != (node.error is not None):
            yield f"is {node.state} with error {node.error}"
        if node.state is NodeState.SUCCEEDED and from_json(node.output_json) != fate.output and ready:
            yield f"gives {node.output_json}, expected {fate.output}"
        if node.state is NodeState.SUCCEEDED and fate.state is not NodeState.SUCCEEDED:
            yield f"succeeded, expected {fate.state}"
        if node.state is NodeState.FAILED and not is_end and not self._excused(node, fate):
            yield f"failed with {node.error}"
        if not is_end:
            yield from self._usage_faults(vertex, node)

    def _excused(self, node: NodeRun, fate: Expected) -> bool:
        code = "" if node.error is None else node.error.code
        return fate.state is NodeState.FAILED or (code in EXCUSES and self._world.faults.injected > 0)

    def _usage_faults(self, vertex: PlanNode, node: NodeRun) -> Iterator[str]:
        """A node's usage is what is journalled, and the answer that ended it."""
        recorded, responses = self._recorded(node)
        work = vertex.work.body if isinstance(vertex.work, MapWork) and node.index is not None else vertex.work
        steps = len(script_of(work.agent.system_prompt)) if isinstance(work, AgentWork) else 0
        if node.state is NodeState.SUCCEEDED:
            if steps and responses != steps - 1:
                yield f"has {responses} recorded responses, and its script {steps - 1}"
            allowed = [recorded + COST] if steps else [recorded]
        else:
            # A response or a call that was stopped on its way into the journal was paid, and counts.
            paid = [Usage(tool_calls=calls) for calls in range(4)]
            allowed = [recorded + call + response for call in paid for response in (Usage(), COST)]
        if node.usage not in allowed:
            yield f"{node.state} used {node.usage}, recorded is {recorded}"

    def _recorded(self, node: NodeRun) -> tuple[Usage, int]:
        """What a node's journal says of its usage, and how many responses it holds."""
        prefix = f"{node_path(self._run.id, node.instance)}/journal/"
        entries = [fields for path, fields in self._found.items() if path.startswith(prefix)]
        responses = [parse(Usage, entry["usage"]) for entry in entries if entry["kind"] == "response"]
        calls = sum(entry["kind"] == "result" for entry in entries)
        return sum(responses, Usage(tool_calls=calls)), len(responses)

    # The run.

    def _outcome_faults(self) -> Iterator[str]:
        run, last = self._run, self._graph.plan.nodes[-1]
        states = [node.state for node in self._nodes.values()]
        final = self._node(last.id)
        if final is not None and final.state.value != run.state.value:
            yield f"is {run.state}, and its last node {final.state}"
        if run.state is RunState.SUCCEEDED:
            if from_json(run.output_json) != self._expected[last.id].output:
                yield f"gives {run.output_json}, expected {self._expected[last.id].output}"
            if set(states) != {NodeState.SUCCEEDED}:
                yield f"succeeded, and its nodes are {set(states)}"
        usage = sum((node.usage for node in self._nodes.values() if node.node != END), Usage())
        if run.usage != usage:
            yield f"used {run.usage}, its nodes {usage}"

    def _counter_faults(self) -> Iterator[str]:
        for vertex in self._graph.plan.nodes:
            if not needs_counter(self._graph, vertex):
                continue
            path = join_path(self._run.id, Instance(f"{vertex.id}~{self._run.epoch}"))
            count = JoinCount.read(self._found.get(path))
            edges, succeeded = 0, 0
            for before in vertex.after:
                own, *items = self._instances(self._graph.by_id[before])
                resolving = items or [own]
                edges += len(resolving)
                succeeded += sum(one is not None and one.state is NodeState.SUCCEEDED for one in resolving)
            if (count.resolved, count.ok, count.added) != (edges, succeeded, edges - len(vertex.after)):
                yield f"{vertex.id} counts {count}, there are {edges} edges, {succeeded} succeeded"
            if decide(len(vertex.after), count) is Readiness.WAIT:
                yield f"{vertex.id} never became ready"


# The session's log.


def _session_faults(world: World, found: Documents, session_id: SessionId) -> Iterator[str]:
    events = world.monitor.events.get(session_id, [])
    messages = world.monitor.messages.get(session_id, [])
    slot = parse(Slot, found[slot_path(session_id)])
    if slot != Slot(next_seq=len(events) + 1, next_message=len(messages)):
        yield f"the slot is {slot} after {len(events)} events and {len(messages)} messages"
    stored = [path for path in found if path.startswith(f"sessions/{session_id}/events/")]
    if stored != [f"sessions/{session_id}/events/{number + 1:012}" for number in range(len(events))]:
        yield f"the log is {stored}"
    runs = [run for run in world.monitor.runs.values() if run.session_id == session_id]
    yield from (f"run {run.id} entered and never ended" for run in runs if run.entered and not run.ended)
    expected: list[str] = []
    for event in events:
        yield from (f"event {event['seq']}: {fault}" for fault in _event_faults(found, event))
        if event["turn_complete"]:
            expected += _turn_messages(world, found, event)
    if messages != expected:
        yield f"has {len(messages)} messages that are not the {len(expected)} expected"


def _turn_messages(world: World, found: Documents, event: Mapping[str, Any]) -> list[str]:
    """What a turn that ended with `event` adds to the session's model messages."""
    run = parse(Run, found[f"runs/{event['run_id']}"])
    if run.state is not RunState.SUCCEEDED:
        return []
    text = run.input_text
    if run.shape == "graph":
        return [f"user: {text}", f"agent: {event['content']['text']}"]
    work = world.definition.graph.plan.nodes[-1].work
    steps = len(script_of(work.agent.system_prompt)) if isinstance(work, AgentWork) else 0
    return [f"{text}{mark}{number}" for number in range(steps) for mark in "?!"]


def _event_faults(found: Documents, event: Mapping[str, Any]) -> Iterator[str]:
    """Where the event names a try at a step, the segments of that try join to its text."""
    place = event["metadata"]
    if event["author"] == "user" or place.get("try") is None or "result" in event["content"]:
        return
    prefix = f"{segments_path(event['run_id'], place['instance'])}/{place['step']:04}-{place['try']:04}-"
    segments = [fields for path, fields in found.items() if path.startswith(prefix)]
    if [segment["n"] for segment in segments] != list(range(len(segments))):
        yield f"segments {[segment['n'] for segment in segments]}"
    text = "".join(segment["text"] for segment in segments)
    if text != event["content"]["text"]:
        yield f"shows {len(text)} characters of {len(event['content']['text'])}"
    if not segments or not segments[-1]["final"]:
        yield "no final segment"


def _reading_faults(world: World, reading: Reading) -> Iterator[str]:
    """What the client of a chat was told is what is in the log, in order, once."""
    run = world.monitor.runs[reading.run_id]
    log = [event for event in world.monitor.events.get(run.session_id, []) if event["run_id"] == run.id]
    told = [update.event for update in reading.updates if isinstance(update, EventAppended)]
    stored = [event["seq"] for event in log]
    if [event.seq for event in told] != stored[: len(told)]:
        yield f"was told events {[event.seq for event in told]} of {stored}"
    withdrawn = any(isinstance(update, RunWithdrawn) for update in reading.updates)
    if (reading.whole and len(told) != len(stored)) or (reading.whole and withdrawn == bool(stored)):
        yield f"was told {len(told)} events to the end, of {len(stored)}; withdrawn: {withdrawn}"
    shown: dict[tuple[Any, Any], str] = defaultdict(str)
    for update in reading.updates:
        if isinstance(update, TextShown):
            shown[update.step, update.try_] += update.delta
    for event in told:
        place = (event.metadata.get("step"), event.metadata.get("try"))
        if event.author == "agent" and place in shown and not event.content.get("text", "").startswith(shown[place]):
            yield f"was shown {len(shown[place])} characters of {place} that event {event.seq} does not have"
