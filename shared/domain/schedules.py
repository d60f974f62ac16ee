"""Schedules: agents that run by the clock, and what became of each time that they were due."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NewType, TypeAlias

from shared.domain.agents import VersionRef
from shared.domain.ids import AgentId, RunId, Uid, hashed_id
from shared.domain.runs import Failure

ScheduleId = NewType("ScheduleId", str)
TickId = NewType("TickId", str)
TickCause: TypeAlias = Literal["cron", "manual"]

SCHEDULES = "schedules"
TICKS = "ticks"
MAX_SCHEDULES = 100
"""How many one person may have."""
MAX_CRON_CHARACTERS = 200
MAX_MISSED = 100
"""The most missed ticks that are counted."""
RETRY_AFTER = timedelta(seconds=60)
"""After so long a tick that was taken up and has come to nothing is taken up again."""
MAX_TRIES = 10
HISTORY_KEPT = timedelta(days=90)


class TickState(StrEnum):
    """What became of a tick."""

    PENDING = "pending"
    STARTED = "started"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The document `schedules/{id}`.

    Args:
        version: the agent's version by number or by a name, which means at each tick what it means then.
        input_json: what each run gets.
        cron: five fields: minute, hour, day of the month, month, day of the week.
        time_zone: an IANA name, in which the fields are meant.
        next_at: when it is due; None while it is paused.
        last_tick_at: when it was due last.
    """

    id: ScheduleId
    owner_uid: Uid
    name: str
    agent_id: AgentId
    version: VersionRef | None
    input_json: str
    cron: str
    time_zone: str
    is_paused: bool
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_tick_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where it is stored."""
        return schedule_path(self.id)


@dataclass(frozen=True, slots=True)
class Tick:
    """The document `ticks/{id}`: a time at which a schedule was due, or was asked to run.

    It keeps what is to run as the schedule said then, so that whoever takes it up again asks for the same run.

    Args:
        due_at: when it was due.
        missed: how many later ticks passed while nobody looked; this one stands for them too.
        take_up_at: when somebody should take it up again; None once it is settled.
        tries: how often it was taken up.
        run_id: the run that it started.
        error: why there is none.
        expires_at: the store forgets it then.
    """

    id: TickId
    owner_uid: Uid
    schedule_id: ScheduleId
    cause: TickCause
    due_at: datetime
    state: TickState
    agent_id: AgentId
    version: VersionRef | None
    input_json: str
    created_at: datetime
    expires_at: datetime
    take_up_at: datetime | None
    missed: int = 0
    tries: int = 1
    run_id: RunId | None = None
    error: Failure | None = None
    settled_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where it is stored."""
        return tick_path(self.id)

    @property
    def key(self) -> str:
        """The idempotency key of its run; with a space, which no key of a client's has."""
        return f"tick {self.id}"

    def taken_up(self, now: datetime) -> Tick:
        """As somebody takes it up once more."""
        return replace(self, tries=self.tries + 1, take_up_at=now + RETRY_AFTER)

    def settled(self, outcome: RunId | Failure, now: datetime) -> Tick:
        """With the run that it started, or why there is none."""
        done = replace(self, take_up_at=None, settled_at=now)
        if isinstance(outcome, Failure):
            return replace(done, state=TickState.FAILED, error=outcome)
        return replace(done, state=TickState.STARTED, run_id=outcome, error=None)


def schedule_path(schedule_id: ScheduleId) -> str:
    """Where a schedule is stored."""
    return f"{SCHEDULES}/{schedule_id}"


def tick_path(tick_id: TickId) -> str:
    """Where a tick is stored."""
    return f"{TICKS}/{tick_id}"


def tick_id_of(schedule_id: ScheduleId, cause: TickCause, mark: str) -> TickId:
    """The one tick of a schedule at an instant, or of a request to run it."""
    return TickId(hashed_id("tick", schedule_id, cause, mark))


def tick_of(schedule: Schedule, cause: TickCause, due_at: datetime, mark: str, now: datetime) -> Tick:
    """A tick that whoever stores it takes up at once."""
    return Tick(
        id=tick_id_of(schedule.id, cause, mark),
        owner_uid=schedule.owner_uid,
        schedule_id=schedule.id,
        cause=cause,
        due_at=due_at,
        state=TickState.PENDING,
        agent_id=schedule.agent_id,
        version=schedule.version,
        input_json=schedule.input_json,
        created_at=now,
        expires_at=now + HISTORY_KEPT,
        take_up_at=now + RETRY_AFTER,
    )
