"""What must hold when a schedule is over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.domain.facts import RUN_ENDS, fact_path, run_end_id
from shared.domain.failures_borne import unborne
from shared.domain.ids import RunId, instance_of
from shared.domain.joins import JoinCount, Readiness, join_path, needs_counter
from shared.domain.journal import journal_path, response_id
from shared.domain.nodes import NodeRun, node_path, nodes_path
from shared.domain.plans import END, AgentWork, LoopWork, MapWork, PlanNode, ToolWork
from shared.domain.records import from_json, parse
from shared.domain.runs import Run
from shared.domain.segments import segments_path
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.usage import NO_USAGE, Usage
from shared.usecases.sessions.turn_updates import EventAppended, PeopleAsked, RunPaused, RunWithdrawn, TextShown
from tests.support.chaos.agents import COST
from tests.support.chaos.clients import Reading
from tests.support.chaos.definitions import script_of
from tests.support.chaos.ledgers import is_used_up, ledger_faults
from tests.support.chaos.logs import log_faults
from tests.support.chaos.monitor import WatchedRun
from tests.support.chaos.oracle import Actual, Fate
from tests.support.chaos.world import World

Documents = Mapping[str, Mapping[str, Any]]
EXCUSES = frozenset({"model_unavailable", "uncertain_tool_call", "failed_precondition", "deadline_exceeded"})
"""Codes with which a node may fail because of what was done to it; every other failure is the plan's own.

A node with a time limit may also be late by itself: the network is slow now and then.
"""
LIMITED = frozenset({"budget_exceeded", "quota_exceeded"})
"""Codes with which a node may fail where its run, a part of it, or all runs of the day have used up what they may."""
DENIALS = frozenset({"denied", "tool_failed", "uncertain_tool_call"})
"""Codes with which a node may fail because a person said no."""


def faults_in(world: World, readings: Sequence[Reading]) -> Iterator[str]:
    """Everything that is wrong with what is stored."""
    found = {snapshot.path: snapshot.fields or {} for snapshot in world.store.read(world.store.paths)}
    yield from (f"lease {path} remains" for path in found if path.startswith("leases/"))
    yield from (f"{path} is pending" for path in world.monitor.pending)
    yield from (f"asyncio reports: {report}" for report in world.loop.unhandled)
    inside = by_collection(found)
    for watched in world.monitor.runs.values():
        check = RunCheck(world, found, inside, watched)
        yield from (f"run {watched.id}: {fault}" for fault in check.faults())
    yield from ledger_faults(world.monitor, world.definition.graph, found)
    for session_id in world.monitor.owners:
        yield from (f"session {session_id}: {fault}" for fault in log_faults(world, found, inside, session_id))
    yield from world.monitor.forks.faults(found)
    for reading in readings:
        yield from (f"the client of {reading.run_id}: {fault}" for fault in _reading_faults(world, reading))


def by_collection(found: Documents) -> Mapping[str, Documents]:
    """The same documents, by the collections that they are in."""
    inside: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for path, fields in found.items():
        inside[path.rpartition("/")[0]][path] = fields
    return inside


class RunCheck:
    """The invariants of one run."""

    def __init__(self, world: World, found: Documents, inside: Mapping[str, Documents], watched: WatchedRun) -> None:
        self._world = world
        self._found = found
        self._inside = inside
        self._watched = watched
        self._run = parse(Run, found[f"runs/{watched.id}"])
        nodes = {path: parse(NodeRun, fields) for path, fields in inside.get(nodes_path(watched.id), {}).items()}
        self._children = {path: node for path, node in nodes.items() if node.parent is not None}
        self._nodes = {path: node for path, node in nodes.items() if node.parent is None}
        self._graph = world.definition.graph
        self._actual = Actual(self._run, self._graph, self._nodes)
        self._hurries = self._graph.may_end_early

    def faults(self) -> Iterator[str]:
        """Everything that is wrong."""
        run = self._run
        if not is_terminal(run.state) or run.completed_at is None or run.next_sweep_at is not None:
            yield f"is {run.state}, completed {run.completed_at}, swept {run.next_sweep_at}"
            return
        if (run.state is RunState.SUCCEEDED) != (run.error is None):
            yield f"is {run.state} with error {run.error}"
        if run.state is RunState.CANCELLED and not run.cancel_requested:
            yield "is cancelled, and nobody asked for it"
        fact = self._found.get(fact_path(run_end_id(run)), {})
        if (fact.get("kind"), fact.get("at")) != (RUN_ENDS[run.state], run.completed_at):
            yield f"is {run.state} since {run.completed_at}, and tells {fact.get('kind')} at {fact.get('at')}"
        if not self._watched.entered:
            if run.state is not RunState.CANCELLED or self._nodes:
                yield f"never had the slot, is {run.state}, and has nodes {list(self._nodes)}"
            return
        if any(node.attempt == 0 for node in self._nodes.values()):
            yield from self._unbegun_faults()
            return
        yield from self._node_faults()
        yield from self._outcome_faults()

    def _unbegun_faults(self) -> Iterator[str]:
        """A run that was cancelled before anybody began it has nothing but the nodes that nobody was to claim."""
        entries = {instance_of(vertex.id, self._run.epoch) for vertex in self._graph.entries}
        ended = {node.instance: (node.state, node.attempt) for node in (self._nodes | self._children).values()}
        if self._run.state is not RunState.CANCELLED or ended != dict.fromkeys(entries, (NodeState.CANCELLED, 0)):
            yield f"never began, is {self._run.state}, and has nodes {ended}"
        if self._run.usage != NO_USAGE:
            yield f"never began, and used {self._run.usage}"

    # Nodes.

    def _node_faults(self) -> Iterator[str]:
        known: set[str] = set()
        for vertex in self._graph.plan.nodes:
            own, items = self._actual.node(vertex.id), self._actual.items(vertex.id)
            known |= {node.instance for node in [own, *items] if node is not None}
            if own is None:
                if not self._hurries:
                    yield f"{vertex.id} is missing"
                continue
            yield from (f"{own.instance}: {fault}" for fault in self._vertex_faults(vertex, own))
            yield from (f"{node.instance}: {fault}" for node in items for fault in self._item_faults(vertex, node))
            wanted = self._actual.expected_items(vertex.id)
            if wanted is not None and wanted != len(items) and not self._hurries:
                yield f"{vertex.id} has {len(items)} items of {wanted}"
        for node in self._nodes.values():
            if node.instance not in known:
                yield f"{node.instance} is no node of the plan"
        for path, node in (self._nodes | self._children).items():
            yield from (f"{node.instance}: {fault}" for fault in self._end_faults(path, node))

    def _end_faults(self, path: str, node: NodeRun) -> Iterator[str]:
        if not is_terminal(node.state):
            yield f"is {node.state}"
        elif self._world.monitor.outcomes[path] != 1:
            yield f"has {self._world.monitor.outcomes[path]} outcomes"
        if node.state is NodeState.FAILED and node.error is None:
            yield "failed without a reason"
        if node.state in {NodeState.FAILED, NodeState.CANCELLED}:
            kept, said = node.text or "", "\n\n".join(self._said(node))
            if kept != said:
                yield f"is {node.state}, keeps {kept!r}, and had said {said!r}"

    def _said(self, node: NodeRun) -> Iterator[str]:
        """What a node had said: the texts of what it recorded, and what was shown of the step that nobody recorded."""
        runs = [repeat.earlier for repeat in self._world.monitor.repeats.lineage(self._run.id, node.instance)]
        journals = [self._inside.get(journal_path(run, node.instance), {}) for run in (*runs, self._run.id)]
        entries = {path.rpartition("/")[2]: entry for journal in journals for path, entry in journal.items()}
        responses = [entry for _, entry in sorted(entries.items()) if entry["kind"] == "response"]
        yield from (entry["text"] for entry in responses if entry["text"])
        shown = list(self._shown(node))
        last = [fields for fields in shown if (fields["step"], fields["try"]) == (shown[-1]["step"], shown[-1]["try"])]
        if last and response_id(last[-1]["step"]) not in entries:
            yield from filter(None, ["".join(fields["text"] for fields in last)])

    def _shown(self, node: NodeRun) -> Iterator[Mapping[str, Any]]:
        """The live text of a node that was there when it ended; a process that was frozen may write some later."""
        paths = sorted(self._inside.get(segments_path(self._run.id, node.instance), {}))
        ended, *segments = self._world.store.read([node_path(self._run.id, node.instance), *paths])
        for one in segments:
            if one.fields and one.update_time and ended.update_time and one.update_time <= ended.update_time:
                yield one.fields

    def _vertex_faults(self, vertex: PlanNode, node: NodeRun) -> Iterator[str]:
        readiness = self._actual.readiness(vertex)
        if readiness is Readiness.WAIT:
            yield f"is {node.state}, and should wait: {self._actual.count(vertex)}"
        elif vertex.id != END and (node.state is NodeState.SKIPPED) != self._actual.is_skipped(vertex):
            if node.state is not NodeState.CANCELLED:
                yield f"is {node.state}, and should {readiness}: {self._actual.count(vertex)}"
        elif node.state is not NodeState.SKIPPED and not self._concludes_apart(vertex, node):
            yield from self._fate_faults(node, self._actual.fate(vertex))
        yield from self._counter_faults(vertex)
        if vertex.id != END:
            yield from self._usage_faults(vertex, node)

    def _concludes_apart(self, vertex: PlanNode, node: NodeRun) -> bool:
        """Whether of what others are now it does not follow what the vertex is.

        Where it is made of them, some may have ended after it; or it gives what it gave, whatever becomes of them when
        they are taken over. Or it gives what it gave on another input.
        """
        taken_over = self._is_taken_over(node) and node.state is NodeState.SUCCEEDED
        concludes_apart = self._graph.concludes(vertex.id) and (self._hurries or taken_over)
        return vertex.id == END or concludes_apart or self._is_of_another_input(node)

    def _item_faults(self, vertex: PlanNode, node: NodeRun) -> Iterator[str]:
        if not self._is_of_another_input(node):
            yield from self._fate_faults(node, self._actual.fate(vertex, node.index))
        yield from self._usage_faults(vertex, node)

    def _fate_faults(self, node: NodeRun, fate: Fate) -> Iterator[str]:
        if node.state is NodeState.SUCCEEDED:
            if fate.fails:
                yield "succeeded, and should fail"
            elif fate.outputs and from_json(node.output_json) not in fate.outputs and not self._answered(node):
                yield f"gives {node.output_json}, expected {fate.outputs}"
            if fate.chosen is not None and node.chosen != fate.chosen:
                yield f"chose {node.chosen}, expected {fate.chosen}"
        if node.state is NodeState.FAILED and not fate.fails:
            code = "" if node.error is None else node.error.code
            denied = code in DENIALS and self._answered(node)
            excused = code in EXCUSES and (self._world.faults.injected or code == "deadline_exceeded")
            limited = code in LIMITED and (self._is_taken_over(node) or is_used_up(self._run, self._found))
            if not denied and not excused and not limited:
                yield f"failed with {node.error}"
        if node.state is NodeState.CANCELLED and not self._run.cancel_requested and not self._hurries:
            yield "is cancelled"

    def _is_taken_over(self, node: NodeRun) -> bool:
        """Whether the node's outcome is that of an earlier run, where it was judged."""
        return self._world.monitor.repeats.held(self._run.id, node.instance) is not None

    def _is_of_another_input(self, node: NodeRun) -> bool:
        """Whether the node's outcome is that of a run with another input: what it was to be is judged there."""
        monitor = self._world.monitor
        made_in = monitor.repeats.made_in(self._run.id, node.instance)
        return monitor.runs[made_in].input_json != self._run.input_json

    def _answered(self, node: NodeRun) -> bool:
        """Whether a person had a say in the node."""
        return any(entry["kind"] == "decision" for entry in self._journal(node) + self._earlier_journal(node))

    def _journal(self, node: NodeRun) -> list[Mapping[str, Any]]:
        """The entries of a node's journal."""
        return self._entries(self._run.id, node)

    def _earlier_journal(self, node: NodeRun) -> list[Mapping[str, Any]]:
        """The entries of its journals in the runs in which it began."""
        lineage = self._world.monitor.repeats.lineage(self._run.id, node.instance)
        return [entry for repeat in lineage for entry in self._entries(repeat.earlier, node)]

    def _entries(self, run_id: RunId, node: NodeRun) -> list[Mapping[str, Any]]:
        return [*self._inside.get(journal_path(run_id, node.instance), {}).values()]

    def _counter_faults(self, vertex: PlanNode) -> Iterator[str]:
        if needs_counter(self._graph, vertex):
            stored = self._found.get(join_path(self._graph, self._run.id, self._run.epoch, vertex.id))
            counted, expected = JoinCount.read(stored), self._actual.count(vertex)
            # What waited for people when the run ended early was withdrawn with it, and counted nowhere.
            withdrawn = self._actual.withdrawn(vertex) if self._hurries else 0
            missing = expected.resolved - counted.resolved
            if replace(counted, resolved=expected.resolved) != expected or not 0 <= missing <= withdrawn:
                yield f"counts {counted}, expected {expected}, {withdrawn} withdrawn"

    # Usage.

    def _usage_faults(self, vertex: PlanNode, node: NodeRun) -> Iterator[str]:
        """A node's usage is what is journalled, and the answer or the result that ended it."""
        recorded, responses = self._recorded(node)
        begun = self._earlier_journal(node)
        responses += sum(entry["kind"] == "response" for entry in begun)
        if (held := self._world.monitor.repeats.held(self._run.id, node.instance)) is not None:
            yield from _held_faults(node, parse(NodeRun, self._found[held]))
            return
        work = (
            vertex.work.body if isinstance(vertex.work, MapWork | LoopWork) and node.index is not None else vertex.work
        )
        steps = len(script_of(work.agent.system_prompt)) if isinstance(work, AgentWork) else 0
        if node.state is NodeState.SUCCEEDED:
            if steps and responses != steps - 1:
                yield f"has {responses} recorded responses, and its script {steps - 1}"
            ended_by = COST if steps else NO_USAGE
            known = any(entry["kind"] == "result" and not entry["is_error"] for entry in begun)
            if isinstance(work, ToolWork) and not recorded.tool_calls and not known:
                ended_by = Usage(tool_calls=1)
            if node.usage != recorded + ended_by:
                yield f"used {node.usage}, recorded is {recorded}"
            return
        # A response or a call that was stopped on its way into the journal was paid, and counts.
        calls, requests = node.usage.tool_calls - recorded.tool_calls, node.usage.requests - recorded.requests
        most_calls, most_requests = (20, 20) if self._children else (3, 1)
        if not 0 <= calls <= most_calls or not 0 <= requests <= most_requests:
            yield f"{node.state} used {node.usage}, recorded is {recorded}"

    def _recorded(self, node: NodeRun) -> tuple[Usage, int]:
        """What a node's journal says of its usage, and how many responses it holds."""
        entries = self._journal(node)
        responses = [parse(Usage, entry["usage"]) for entry in entries if entry["kind"] == "response"]
        results = [parse(Usage, entry["usage"]) + Usage(tool_calls=1) for entry in entries if entry["kind"] == "result"]
        return sum([*responses, *results], NO_USAGE), len(responses)

    # The run.

    def _outcome_faults(self) -> Iterator[str]:
        run, last = self._run, self._graph.plan.nodes[-1]
        final = self._actual.node(last.id)
        if final is None or final.state.value != run.state.value:
            yield f"is {run.state}, and its last node {final.state if final else 'missing'}"
            return
        outputs = self._actual.fate(last).outputs if last.id == END and not self._hurries else ()
        if run.state is RunState.SUCCEEDED and outputs and from_json(run.output_json) not in outputs:
            yield f"gives {run.output_json}, expected {outputs}"
        yield from self._failure_faults()
        bounds, came_to = run.bounds, (len(self._nodes), run.usage.requests, run.usage.tool_calls)
        most = (0, 0, 0) if bounds is None else (bounds.node_runs, bounds.requests, bounds.tool_calls)
        if any(one > limit for one, limit in zip(came_to, most, strict=True)):
            yield f"came to {came_to} of nodes, requests and calls, and was to come to {most} at most"
        usage = sum((node.usage for node in self._nodes.values() if node.node != END), NO_USAGE)
        if run.usage != usage and not self._hurries:
            yield f"used {run.usage}, its nodes {usage}"
        below = f"{nodes_path(run.id)}/"
        journals = [found for collection, found in self._inside.items() if collection.startswith(below)]
        responses = sum(entry.get("kind") == "response" for found in journals for entry in found.values())
        if run.usage.requests < responses and not self._hurries:
            yield f"used {run.usage.requests} requests, and {responses} are recorded"

    def _failure_faults(self) -> Iterator[str]:
        """A run fails just when a node does without which it cannot go on."""
        run = self._run
        outside = [node for node in self._nodes.values() if self._graph.by_id[node.node].within is None]
        unhandled = [node.instance for node in unborne(self._graph, outside)]
        if run.state is RunState.SUCCEEDED and unhandled:
            yield f"succeeded, and {unhandled} failed"
        if run.state is RunState.FAILED and not unhandled:
            yield "failed, and no node did"
        blamed = "" if run.error is None else run.error.message.partition(":")[0]
        if blamed not in unhandled and any(node.instance == blamed for node in outside):
            yield f"failed for {blamed}, without which a join had enough"


def _held_faults(node: NodeRun, held: NodeRun) -> Iterator[str]:
    """What was taken over is what it was, and cost nothing."""
    if node.usage != NO_USAGE:
        yield f"used {node.usage}, and its outcome was there"
    if node.state is NodeState.SUCCEEDED and held.state is not NodeState.SUCCEEDED:
        yield "succeeded, and had failed"
    if node.state is NodeState.SUCCEEDED and (node.output_json, node.chosen) != (held.output_json, held.chosen):
        yield f"gives {node.output_json} ({node.chosen}), and gave {held.output_json} ({held.chosen})"


def _reading_faults(world: World, reading: Reading) -> Iterator[str]:
    """What the client of a chat was told is what is in the log, in order, once."""
    run = world.monitor.runs[reading.run_id]
    log = [event for event in world.monitor.conversations[run.session_id].events if event["run_id"] == run.id]
    told = [update.event for update in reading.updates if isinstance(update, EventAppended)]
    stored = [event["seq"] for event in log]
    if [event.seq for event in told] != stored[: len(told)]:
        yield f"was told events {[event.seq for event in told]} of {stored}"
    last = reading.updates[-1] if reading.updates else None
    if reading.whole and not isinstance(last, PeopleAsked | RunPaused):  # a stream does not wait for people
        withdrawn = isinstance(last, RunWithdrawn)
        if len(told) != len(stored) or withdrawn == bool(stored):
            yield f"was told {len(told)} events to the end, of {len(stored)}; withdrawn: {withdrawn}"
    shown: dict[tuple[Any, Any], str] = defaultdict(str)
    for update in reading.updates:
        if isinstance(update, TextShown):
            shown[update.step, update.try_] += update.delta
    for event in told:
        place = (event.metadata.get("step"), event.metadata.get("try"))
        if event.author == "agent" and place in shown and not event.content.get("text", "").startswith(shown[place]):
            yield f"was shown {len(shown[place])} characters of {place} that event {event.seq} does not have"
