"""Watches every commit, model request and tool call while a schedule runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.approvals import ApprovalState
from shared.domain.ids import ApprovalId, Instance, RunId, SessionId
from shared.domain.journal import journal_path, response_id, result_id
from shared.domain.nodes import node_path, nodes_path
from shared.domain.records import from_json
from shared.domain.runs import RepeatKind
from shared.domain.states import NODE_TRANSITIONS, RUN_TRANSITIONS, NodeState, RunState, is_terminal
from shared.domain.tools import Effect, ToolCall
from shared.domain.writes import Create, Delete, Write
from tests.support.chaos.conversations import Conversation
from tests.support.chaos.definitions import EFFECTS
from tests.support.chaos.delegates import holder_of
from tests.support.chaos.forks import Forks
from tests.support.chaos.processes import Process
from tests.support.chaos.repeats import Repeats

STOP_SECONDS = 6.0
"""How long after a cancel a holder may not have heard of it: its next beat, and what that takes."""


def fields_of(write: Write) -> Mapping[str, Any]:
    """What a write says; nothing if it deletes."""
    return {} if isinstance(write, Delete) else write.fields


@dataclass(slots=True)
class WatchedRun:
    """A run as the commits so far made it."""

    id: RunId
    session_id: SessionId
    input_json: str
    message: str
    """The text of the message that it answers, by which people know it."""
    turn: RunId
    """The first of all the runs that answer this message."""
    state: RunState = RunState.QUEUED
    cancel_requested: bool = False
    cancelled_at: float | None = None
    """When a canceller was told that it is cancelled, in virtual seconds."""
    is_paused: bool = False
    paused_at: float | None = None
    """When somebody was told that it is paused and had not asked to resume it yet, in virtual seconds."""
    entered: bool = False
    """Its message is in the session's log: it had the slot."""
    ended: bool = False
    """Its last event is in the log."""


@dataclass(slots=True)
class Monitor:
    """What was seen so far; `violation` is told of what must not be."""

    now: Callable[[], float]
    violation: Callable[[str], None]
    repeats: Repeats
    lease_seconds: float = 30.0
    runs: dict[RunId, WatchedRun] = field(default_factory=dict[RunId, WatchedRun])
    run_of_message: dict[str, RunId] = field(default_factory=dict[str, RunId])
    latest_of_message: dict[str, RunId] = field(default_factory=dict[str, RunId])
    """The run of a message, or the latest that repeats it."""
    edited: dict[tuple[RunId, RepeatKind], str] = field(default_factory=dict[tuple[RunId, RepeatKind], str])
    """The other input on which somebody asked to repeat a run."""
    nodes: dict[str, NodeState] = field(default_factory=dict[str, NodeState])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    journal: set[str] = field(default_factory=set[str])
    failed_calls: set[str] = field(default_factory=set[str])
    """What of the journal says that a call failed, or was refused: who repeats the run may try it again."""
    conversations: defaultdict[SessionId, Conversation] = field(default_factory=lambda: defaultdict(Conversation))
    forks: Forks = field(init=False)
    leases: set[str] = field(default_factory=set[str])
    owners: dict[SessionId, RunId | None] = field(default_factory=dict[SessionId, RunId | None])
    effects: Counter[str] = field(default_factory=Counter[str])
    model_calls: int = 0
    calls_of: Counter[RunId] = field(default_factory=Counter[RunId])
    """How many model requests of each run went out."""
    calls_at: Counter[tuple[RunId, Instance]] = field(default_factory=Counter[tuple[RunId, Instance]])
    """How many of them each node of a graph made."""
    tool_calls: int = 0
    open_runs: int = 0
    pending: dict[ApprovalId, str] = field(default_factory=dict[ApprovalId, str])
    """What people are asked, by approval: what kind of question it is."""
    _in_flight: set[tuple[Process, str]] = field(default_factory=set[tuple[Process, str]])
    _begun: set[str] = field(default_factory=set[str])
    _heard: dict[tuple[str, str], tuple[float, float]] = field(
        default_factory=dict[tuple[str, str], tuple[float, float]]
    )
    """When the latest commit under a lease was applied, and when its process learnt of it."""

    def __post_init__(self) -> None:
        self.forks = Forks(self.now, self.violation, self.conversations)

    def applied(self, writes: Sequence[Write]) -> None:
        """A commit was applied."""
        owners = dict(self.owners)
        events: list[tuple[SessionId, Mapping[str, Any]]] = []
        for write in writes:
            kind, _, rest = write.path.partition("/")
            if kind != "sessions":
                self._written(kind, rest, write)
                continue
            session_id, _, below = rest.partition("/")
            if not below:
                self.forks.session_written(SessionId(session_id), write)
            elif session_id in self.forks.half_made or not isinstance(write, Create):
                self.forks.copied(SessionId(session_id), below, write)
            elif below.startswith("events/"):
                events.append((SessionId(session_id), write.fields))
            elif below.startswith("messages/"):
                self.conversations[SessionId(session_id)].told(write.fields)
            else:
                self.forks.stored(SessionId(session_id), below, write)
        for session_id, fields in events:
            self._event_written(session_id, fields, owners.get(session_id))

    def _written(self, kind: str, rest: str, write: Write) -> None:
        if kind == "leases":
            self._lease_written(write)
        elif kind == "runs":
            self._written_below_run(write, rest.split("/"))
        elif kind == "slots":
            self._slot_written(SessionId(rest), fields_of(write))
        elif kind == "approvals":
            self._approval_written(ApprovalId(rest), fields_of(write))

    def _lease_written(self, write: Write) -> None:
        if isinstance(write, Delete):
            self.leases.discard(write.path)
        else:
            self.leases.add(write.path)

    def _written_below_run(self, write: Write, parts: list[str]) -> None:
        """A write to a run, or to something below it."""
        if len(parts) == 1:
            self._run_written(RunId(parts[0]), write)
        elif parts[1] == "nodes" and len(parts) == 3:
            self._node_written(write)
        elif parts[1] == "nodes" and len(parts) == 5 and parts[3] == "journal":
            self.journal.add(write.path)
            if fields_of(write).get("is_error"):
                self.failed_calls.add(write.path)

    def _slot_written(self, session_id: SessionId, fields: Mapping[str, Any]) -> None:
        if "run_id" in fields:
            self.owners[session_id] = fields["run_id"]

    def _approval_written(self, approval_id: ApprovalId, fields: Mapping[str, Any]) -> None:
        if "state" not in fields:
            return
        if fields["state"] == ApprovalState.PENDING:
            self.pending[approval_id] = fields["kind"]
        else:
            self.pending.pop(approval_id, None)

    def _run_written(self, run_id: RunId, write: Write) -> None:
        if isinstance(write, Delete):
            self.violation(f"run {run_id} was deleted")
            return
        run = self.runs.get(run_id)
        if run is None:
            self._run_begun(run_id, write.fields)
            return
        run.cancel_requested = run.cancel_requested or bool(write.fields.get("cancel_requested"))
        if "paused_at" in write.fields:
            run.is_paused = write.fields["paused_at"] is not None
        if "state" in write.fields:
            state = RunState(write.fields["state"])
            if state not in RUN_TRANSITIONS[run.state] and (is_terminal(run.state) or state is not run.state):
                self.violation(f"run {run_id} goes from {run.state} to {state}")
            self.open_runs -= is_terminal(state)
            run.state = state
            if state is RunState.WAITING and (busy := self._at_work(run_id)):
                self.violation(f"run {run_id} is said to wait for people, and {busy} do not")

    def _at_work(self, run_id: RunId) -> list[str]:
        """The nodes of a run that have not ended and do not wait."""
        those = {path: state for path, state in self.nodes.items() if path.startswith(f"runs/{run_id}/")}
        return [path for path, state in those.items() if not is_terminal(state) and state is not NodeState.WAITING]

    def _run_begun(self, run_id: RunId, fields: Mapping[str, Any]) -> None:
        session_id, given, told = fields["session_id"], fields["input_json"], fields["repeats"]
        if told is not None:
            earlier = self.runs[told["run_id"]]
            run = WatchedRun(run_id, session_id, given, earlier.message, earlier.turn)
            self._repetition_begun(run, earlier, told)
        else:
            run = WatchedRun(run_id, session_id, given, from_json(given)["text"], run_id)
            if (before := self.run_of_message.get(run.message)) is not None:
                self.violation(f"message {run.message} has two runs: {before} and {run_id}")
            self.run_of_message[run.message] = run_id
        self.runs[run_id] = run
        self.latest_of_message[run.message] = run_id
        self.open_runs += 1

    def _repetition_begun(self, run: WatchedRun, earlier: WatchedRun, told: Mapping[str, Any]) -> None:
        """A run begins that repeats another, as a person asked who asked for it once."""
        kind = told["kind"]
        others = self.repeats.of_earlier(earlier.id, kind)
        if others := [one for one in others if self.runs[one].session_id == run.session_id]:
            self.violation(f"run {earlier.id} has two runs that {kind} it: {others[0]} and {run.id}")
        if not is_terminal(earlier.state):
            self.violation(f"run {earlier.id} goes on, and {run.id} is to {kind} it")
        if run.input_json != (expected := self.edited.get((earlier.id, kind), earlier.input_json)):
            self.violation(f"run {run.id} has the input {run.input_json}, and was to have {expected}")
        self.repeats.begin(run.id, told, self.nodes)

    def _node_written(self, write: Write) -> None:
        before = self.nodes.get(write.path)
        if isinstance(write, Delete):
            if before is not None and is_terminal(before):
                self.violation(f"{write.path} was deleted after it had ended")
            self.nodes.pop(write.path, None)
            return
        if "state" not in write.fields:
            return
        state = NodeState(write.fields["state"])
        if before is not None and state not in NODE_TRANSITIONS[before]:
            self.violation(f"{write.path} goes from {before} to {state}")
        self.nodes[write.path] = state
        self.outcomes[write.path] += is_terminal(state)
        if self.outcomes[write.path] > 1:
            self.violation(f"{write.path} has two outcomes")

    def _event_written(self, session_id: SessionId, fields: Mapping[str, Any], owner_before: RunId | None) -> None:
        log = self.conversations[session_id].events
        log.append(fields)
        run = self.runs[fields["run_id"]]
        if fields["seq"] != len(log):
            self.violation(f"event {fields['seq']} of {session_id} is number {len(log)}")
        enters = fields["author"] == "user" or "repeats" in fields["content"]
        owner = self.owners.get(session_id) if enters else owner_before
        if owner != run.id:
            self.violation(f"run {run.id} writes event {fields['seq']} while {owner} has the slot of {session_id}")
        if run.ended or enters == run.entered:
            self.violation(f"run {run.id} writes event {fields['seq']} after its last, or enters again")
        run.entered = True
        run.ended = fields["turn_complete"]

    def cancelled(self, run_id: RunId) -> None:
        """A canceller was told that the run is cancelled."""
        run = self.runs[run_id]
        if run.cancelled_at is None:
            run.cancelled_at = self.now()
        if not run.cancel_requested and not is_terminal(run.state):
            self.violation(f"run {run_id} is said to be cancelled and goes on")
        if not is_terminal(run.state) and not any(path.startswith(nodes_path(run_id)) for path in self.nodes):
            self.violation(f"run {run_id} is said to be cancelled, and has not ended although nobody has begun it")

    def paused(self, run_id: RunId) -> None:
        """Somebody was told that the run is paused, or that it has ended."""
        run = self.runs[run_id]
        if run.is_paused:
            run.paused_at = self.now()
        elif not run.cancel_requested and not is_terminal(run.state):
            self.violation(f"run {run_id} is said to be paused and goes on")

    def resumed(self, run_id: RunId) -> None:
        """Somebody asks that the run goes on."""
        self.runs[run_id].paused_at = None

    def acknowledged(self, process: Process, writes: Sequence[Write], applied_at: float) -> None:
        """A process learnt that its commit was applied."""
        for write in writes:
            if write.path.startswith("leases/") and not isinstance(write, Delete):
                self._heard[process.name, write.path.rpartition("~")[0]] = applied_at, self.now()

    def model_called(self, process: Process, run_id: RunId, instance: Instance, step: int) -> None:
        """A model request goes out."""
        self.model_calls += 1
        run = self.runs[run_id]
        self.calls_of[run.id] += 1
        self.calls_at[run.id, instance] += 1
        if self._is_recorded(run_id, instance, response_id(step)):
            self.violation(f"{run.id} {instance} asks the model for step {step}, which is recorded")
        self._check_repeat(run_id, instance, "asks the model")
        if run.paused_at is not None and self._knows(process, run, instance, run.paused_at):
            self.violation(f"{run.id} {instance} asks the model at {self.now():.3f}, paused at {run.paused_at:.3f}")
        self._check_stopped(process, run, instance, "asks the model")

    def tool_called(self, process: Process, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        """A tool starts."""
        self.tool_calls += 1
        deed = self._deed(run_id, instance, call.call_id)
        self._begun.add(deed)
        self._in_flight.add((process, deed))
        if self._is_recorded(run_id, instance, result_id(call)):
            self.violation(f"{run_id} {instance} calls {call.name} ({call.call_id}), whose result is recorded")
        self._check_repeat(run_id, instance, f"calls {call.name}")
        self._check_stopped(process, self.runs[run_id], instance, f"calls {call.name}")

    def tool_ended(self, process: Process, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        """A tool has done to the world what it will do, or nothing."""
        self._in_flight.discard((process, self._deed(run_id, instance, call.call_id)))

    def happened(self, run_id: RunId, instance: Instance, call_id: str | None) -> bool | None:
        """Whether a call happened, in the run or in one that it repeats; None while it still may."""
        key = self._deed(run_id, instance, call_id)
        if any(process.alive and other == key for process, other in self._in_flight):
            return None
        return self.effects[key] > 0

    def tool_took_effect(self, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        """What a tool does to the world has happened."""
        key = self._deed(run_id, instance, call.call_id)
        self.effects[key] += 1
        if EFFECTS[call.name] is Effect.ONCE and self.effects[key] > 1:
            self.violation(f"{key} {call.name} happened {self.effects[key]} times")

    def _deed(self, run_id: RunId, instance: Instance, call_id: str | None) -> str:
        """The name of a tool call: that of the first run in which it was begun, of those in which its node goes on."""
        runs = [run_id, *(repeat.earlier for repeat in self.repeats.lineage(run_id, instance))]
        names = [f"{run} {instance} {call_id}" for run in runs]
        return next((name for name in reversed(names) if name in self._begun), names[0])

    def _is_recorded(self, run_id: RunId, instance: Instance, entry: str) -> bool:
        """Whether a step is in the node's journal, or in that of a run in which it began."""
        earlier = [repeat.earlier for repeat in self.repeats.lineage(run_id, instance)]
        paths = {f"{journal_path(run, instance)}/{entry}" for run in earlier} - self.failed_calls
        return not self.journal.isdisjoint({f"{journal_path(run_id, instance)}/{entry}", *paths})

    def _check_repeat(self, run_id: RunId, instance: Instance, what: str) -> None:
        held = self.repeats.held(run_id, instance)
        if held is not None:
            self.violation(f"{run_id} {instance} {what}, and the outcome of {held} holds")

    def _check_stopped(self, process: Process, run: WatchedRun, instance: Instance, what: str) -> None:
        if is_terminal(self.nodes.get(node_path(run.id, instance), NodeState.RUNNING)):
            self.violation(f"{run.id} {instance} {what} after its end")
        if run.cancelled_at is not None and self._knows(process, run, instance, run.cancelled_at):
            self.violation(f"{run.id} {instance} {what} at {self.now():.3f}, cancelled at {run.cancelled_at:.3f}")

    def _knows(self, process: Process, run: WatchedRun, instance: Instance, told_at: float) -> bool:
        """Whether a holder must have heard of what somebody was told to be so at an instant."""
        applied_at, learnt_at = self._heard.get((process.name, f"leases/{run.id}~{holder_of(instance)}"), (0.0, 0.0))
        hears = applied_at > told_at and learnt_at < self.now()
        return hears or self.now() > told_at + self.lease_seconds + STOP_SECONDS

    def history_given(self, run_id: RunId, history: Sequence[str]) -> None:
        """A run's agent is given the messages of the session's other turns, of each what its latest run left."""
        run = self.runs[run_id]
        turns = {one.id: one.turn for one in self.runs.values()}
        expected = self.conversations[run.session_id].history(turns, run.turn)
        if not run.ended and list(history) != expected:
            self.violation(f"run {run.id} is told {len(history)} messages of the {len(expected)} of other turns")
