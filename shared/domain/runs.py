"""A run: one execution of one agent version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from shared.domain.ids import AgentId, NodeId, RunId, SessionId, Uid
from shared.domain.large_values import ValueFile
from shared.domain.records import from_json
from shared.domain.states import RunState
from shared.domain.usage import Usage

Shape: TypeAlias = Literal["single", "delegation", "graph"]
SWEEP_AFTER = timedelta(seconds=60)
"""How long a run is left alone before the sweeper looks for lost wake-ups."""


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
        grantee_uid: under whose grant, a person's or everyone's, it was started; None where none was needed.
        plan_chunks: how many documents below `plan` hold the plan.
        output_file: where the output is kept, if it is too large for this document; `output_json` is null then.
        repeats: the run that this one repeats; None for a message of its own.
        last_seq: number of its last event; None before its end, or where it has none.
        body_digest: SHA-256 of the request, to tell a repeated idempotency key from a reused one.
        waiting_since: when a run of one node began to wait for people.
        waited_seconds: how long it has waited before; a limit of its time does not count that.
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
    readers: tuple[Uid, ...] = ()
    repeats: Repetition | None = None
    last_seq: int | None = None
    epoch: int = 0
    cancel_requested: bool = False
    output_json: str | None = None
    output_file: ValueFile | None = None
    usage: Usage = field(default_factory=Usage)
    error: Failure | None = None
    body_digest: str | None = None
    trace_id: str | None = None
    next_sweep_at: datetime | None = None
    waiting_since: datetime | None = None
    waited_seconds: float = 0.0
    started_at: datetime | None = None
    completed_at: datetime | None = None

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


def run_path(run_id: RunId) -> str:
    """Where a run is stored."""
    return f"runs/{run_id}"


def plan_path(run_id: RunId, chunk: int) -> str:
    """Where a chunk of a run's plan is stored."""
    return f"runs/{run_id}/plan/{chunk}"
