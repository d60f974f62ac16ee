"""Facts: what has happened, for whoever wants to know of it later.

A fact is written in the commit of what it tells of, and stays in the store until it has been heard: it is its own
outbox, so nothing is lost when a process dies before it could tell anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NewType

from shared.domain.ids import Uid, hashed_id
from shared.domain.records import render, to_json
from shared.domain.runs import Failure, Run
from shared.domain.states import RunState
from shared.domain.writes import Put

FactId = NewType("FactId", str)

FACTS = "facts"
UNHEARD_AFTER = timedelta(seconds=60)
"""A fact that nobody has heard by then is published again; each time it is given twice as long, up to an hour."""
MOST_UNHEARD = timedelta(hours=1)
MAX_PUBLISHES = 20
"""After so many it needs a person: 15 hours."""
RUN_ENDS = {
    RunState.SUCCEEDED: "run.succeeded",
    RunState.FAILED: "run.failed",
    RunState.CANCELLED: "run.cancelled",
}
"""The kinds of facts about runs."""


@dataclass(frozen=True, slots=True)
class Fact:
    """The document `facts/{id}`, which is deleted once it has been heard.

    Args:
        kind: what happened: `run.succeeded`.
        owner_uid: whom it concerns.
        at: when it happened.
        data_json: what else there is to tell.
        due_at: when it is to be published again; None where it was published often enough.
        publishes: how often it was published again.
    """

    id: FactId
    kind: str
    owner_uid: Uid
    at: datetime
    data_json: str
    due_at: datetime | None
    publishes: int = 0

    @property
    def path(self) -> str:
        """Where it is stored."""
        return fact_path(self.id)

    def published_again(self, now: datetime) -> Fact:
        """As it is when it was published once more."""
        wait = min(UNHEARD_AFTER * 2 ** min(self.publishes + 1, 10), MOST_UNHEARD)
        return replace(self, publishes=self.publishes + 1, due_at=now + wait)


def fact_path(fact_id: FactId) -> str:
    """Where a fact is stored."""
    return f"{FACTS}/{fact_id}"


def run_end_id(run: Run) -> FactId:
    """The fact of a run's end; each epoch of a run ends once."""
    return FactId(hashed_id("run ended", run.id, str(run.epoch)))


def record_run_end(run: Run, state: RunState, error: Failure | None, at: datetime) -> Put:
    """The write that tells of a run's end, for the commit that ends it. It never refuses that commit."""
    data: dict[str, Any] = {
        "run_id": run.id,
        "agent_id": run.agent_id,
        "version": run.version,
        "session_id": run.session_id,
        "state": state,
        "error": None if error is None else {"code": error.code, "message": error.message},
        "created_at": run.created_at.isoformat(),
        "completed_at": at.isoformat(),
    }
    fact = Fact(run_end_id(run), RUN_ENDS[state], run.owner_uid, at, to_json(data), at + UNHEARD_AFTER)
    return Put(fact.path, render(fact))
