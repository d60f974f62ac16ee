"""A run: one execution of one agent version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from shared.domain.ids import AgentId, RunId, SessionId, Uid
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


@dataclass(frozen=True, slots=True)
class Run:
    """The document `runs/{id}`, written only when the state changes.

    Args:
        author_uid: who wrote the version; its tools use the secrets of this person.
        grantee_uid: under whose grant, a person's or everyone's, it was started; None where none was needed.
        plan_chunks: how many documents below `plan` hold the plan.
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
    epoch: int = 0
    cancel_requested: bool = False
    output_json: str | None = None
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
