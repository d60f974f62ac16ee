"""A run: one execution of one agent version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from shared.domain.budgets import Fund, own_budget
from shared.domain.errors import Fault
from shared.domain.ids import AgentId, NodeId, RunId, SessionId, Uid
from shared.domain.large_values import ValueFile
from shared.domain.records import from_json
from shared.domain.run_bounds import PlanBounds, bound_warnings
from shared.domain.states import RunState
from shared.domain.usage import NO_USAGE, Usage

Shape: TypeAlias = Literal["single", "delegation", "graph"]
SWEEP_AFTER = timedelta(seconds=60)
"""How long a run is left alone before the sweeper looks for lost wake-ups."""

WAVE = 500
"""How many items of a map are set off at once, if the deployment does not say."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a stable code and a message that is safe to show."""

    code: str
    message: str
    retryable: bool = False


RepeatKind: TypeAlias = Literal["retry", "replay", "regenerate"]


@dataclass(frozen=True, slots=True)
class Repetition:
    """That a run repeats another one.

    Args:
        run_id: the run that is repeated.
        turn: the first of all the runs that answer the same message.
        node: from where it was replayed.
        answers: numbers of the events that its answer takes the place of.
    """

    run_id: RunId
    kind: RepeatKind
    turn: RunId
    node: NodeId | None = None
    answers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """The document `runs/{id}`, written only when the state changes.

    Args:
        author_uid: who wrote the version; its tools use the secrets of this person.
        is_counted: it is one of its owner's active runs, which are limited.
        grantee_uid: under whose grant, a person's or everyone's, it was started; None where none was needed.
        wave: how many items of a map are set off before the first of them has ended.
        funds: the budgets that its nodes draw on, as they were when it was started.
        bounds: what it can come to at most.
        plan_chunks: how many documents below `plan` hold the plan.
        output_file: where the output is kept, if it is too large for this document; `output_json` is null then.
        repeats: the run that this one repeats; None for a message of its own.
        last_seq: number of its last event; None before its end, or where it has none.
        body_digest: SHA-256 of the request, to tell a repeated idempotency key from a reused one.
        waiting_since: when it began to wait for nothing but people.
        waited_seconds: how long it has waited or been paused before; a limit of its time does not count that.
        paused_at: since when no node starts and no model is asked; None while it goes on.
        pauses: how often it was paused.
        next_sweep_at: when the sweeper should look at it; None once it has ended, or while it waits in a
            session's queue.
    """

    id: RunId
    owner_uid: Uid
    agent_id: AgentId
    version: int
    session_id: SessionId
    shape: Shape
    state: RunState
    input_json: str
    plan_digest: str
    plan_chunks: int
    created_at: datetime
    author_uid: Uid | None = None
    grantee_uid: Uid | None = None
    wave: int = WAVE
    funds: tuple[Fund, ...] = ()
    is_counted: bool = False
    bounds: PlanBounds | None = None
    readers: tuple[Uid, ...] = ()
    repeats: Repetition | None = None
    last_seq: int | None = None
    epoch: int = 0
    cancel_requested: bool = False
    output_json: str | None = None
    output_file: ValueFile | None = None
    usage: Usage = NO_USAGE
    error: Failure | None = None
    body_digest: str | None = None
    trace_id: str | None = None
    next_sweep_at: datetime | None = None
    waiting_since: datetime | None = None
    waited_seconds: float = 0.0
    paused_at: datetime | None = None
    pauses: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """What may stop it before its end."""
        most = own_budget(self.funds).cost_usd_micros
        return () if self.bounds is None else tuple(bound_warnings(self.bounds, most))

    @property
    def path(self) -> str:
        """Where the run is stored."""
        return run_path(self.id)

    @property
    def turn(self) -> RunId:
        """The turn of the conversation that it answers, by the first run that did."""
        return self.id if self.repeats is None else self.repeats.turn

    @property
    def input_text(self) -> str:
        """What the person said: the input's `text`, or the whole input as JSON."""
        value: Any = from_json(self.input_json)
        text = value.get("text") if isinstance(value, dict) else value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return text if isinstance(text, str) else self.input_json

    def paused(self, now: datetime) -> dict[str, Any]:
        """The fields by which it pauses."""
        return {"state": RunState.PAUSED, "paused_at": now, "pauses": self.pauses + 1}

    def resumed(self, now: datetime) -> dict[str, Any]:
        """The fields by which it goes on as what it was before it paused; none if it is not paused."""
        if self.paused_at is None:
            return {}
        started = self.started_at
        if started is not None and started > self.paused_at:
            started = now  # a first node was claimed and given up again
        waits = self.waiting_since is not None
        going_on = RunState.WAITING if waits else RunState.RUNNING
        paused_seconds = (now - self.paused_at).total_seconds() if started == self.started_at else 0.0
        return {
            "state": RunState.QUEUED if started is None else going_on,
            "paused_at": None,
            "started_at": started,
            "waiting_since": now if waits else None,
            "waited_seconds": self.waited_by(self.paused_at) + paused_seconds,
            "next_sweep_at": None if self.next_sweep_at is None else now + SWEEP_AFTER,
        }

    def waiting(self, now: datetime) -> dict[str, Any]:
        """The fields by which it waits for nothing but people; a pause lasts."""
        state = RunState.WAITING if self.paused_at is None else RunState.PAUSED
        return {"state": state, "waiting_since": now, "next_sweep_at": now + SWEEP_AFTER}

    def answered(self, now: datetime) -> dict[str, Any]:
        """The fields by which it waits for people no more; a pause lasts."""
        return {
            "state": RunState.RUNNING if self.paused_at is None else RunState.PAUSED,
            "waiting_since": None,
            "waited_seconds": self.waited_by(self.paused_at or now),
            "next_sweep_at": now + SWEEP_AFTER,
        }

    def seconds_by(self, now: datetime) -> float:
        """How much of its time has passed: the seconds since its start, without those in which it stood still."""
        return (now - (self.started_at or now)).total_seconds() - self.waited_seconds

    def waited_by(self, then: datetime) -> float:
        """How many seconds it has waited for people by an instant, not counting what comes after its pause."""
        waiting = (then - (self.waiting_since or then)).total_seconds()
        return self.waited_seconds + max(waiting, 0.0)


def run_path(run_id: RunId) -> str:
    """Where a run is stored."""
    return f"runs/{run_id}"


def plan_path(run_id: RunId, chunk: int) -> str:
    """Where a chunk of a run's plan is stored."""
    return f"runs/{run_id}/plan/{chunk}"
