"""Where the scheduler calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel, Field

from shared.domain.errors import Unavailable
from shared.edge.app import problem_responses
from shared.edge.logs import logger
from shared.edge.tasks import Deliverer
from shared.ports.task_queue import DeliveryQueue, IngestQueue
from shared.usecases.approvals.expire_approvals import expire_approvals
from shared.usecases.facts.sweep_facts import sweep_facts
from shared.usecases.knowledge.sweep_ingestions import sweep_ingestions
from shared.usecases.runs.sweep_runs import Swept, sweep_runs
from shared.usecases.schedules.fire_schedules import fire_schedules
from shared.usecases.schedules.planner import Planner
from shared.usecases.sessions.delete_session import remove_deleted
from shared.usecases.webhooks.sweep_deliveries import sweep_deliveries

SESSIONS = 20
"""Deleted sessions that one sweep removes at most."""
SCHEDULES = 200
"""Schedules that one sweep fires at most."""
FACTS = 200
"""Facts that one sweep publishes again at most."""
DELIVERIES = 200
"""Messages to webhooks that one sweep hands to their queue at most."""
DOCUMENTS = 100
"""Documents of knowledge that one sweep looks after at most."""


class SweptView(BaseModel):
    """What a sweep found."""

    leases: int = Field(description="Attempts that had fallen silent.")
    runs: int = Field(description="Runs that were due to be looked at.")
    tasks: int = Field(description="Nodes handed to the queue again.")
    approvals: int = Field(description="Approvals that nobody answered in time.")
    sessions: int = Field(description="Deleted sessions that were removed.")
    schedules: int = Field(description="Ticks of schedules that were taken up.")
    facts: int = Field(description="Facts that nobody had heard, and that were published again.")
    deliveries: int = Field(description="Messages to webhooks handed to their queue again.")
    documents: int = Field(description="Documents of knowledge handed to the queue again.")


def sweep_routes(
    planner: Planner, ingestions: IngestQueue, deliveries: DeliveryQueue, lease_seconds: float
) -> APIRouter:
    """The routes that the scheduler calls."""
    router = APIRouter(tags=["tasks"])
    core, report = planner.core, planner.report_defect
    documents, clock = core.documents, core.clock
    sweeps: dict[str, Callable[[], Awaitable[int | Swept]]] = {
        "schedules": partial(fire_schedules, planner, SCHEDULES),
        "approvals": partial(expire_approvals, core, report),
        "runs": partial(sweep_runs, core, lease_seconds, report),
        "facts": partial(sweep_facts, core, FACTS, report),
        "deliveries": partial(sweep_deliveries, documents, deliveries, clock, DELIVERIES, report),
        "sessions": partial(remove_deleted, core, SESSIONS, report),
        "documents": partial(sweep_ingestions, documents, ingestions, clock, DOCUMENTS, report),
    }

    @router.post("/tasks/sweep", responses=problem_responses(401, 503))
    async def sweep(_deliverer: Deliverer) -> SweptView:
        """Fire schedules, hand silent attempts, forgotten nodes and documents to the queue again, remove sessions.

        One of these that fails holds up no other; the answer is a 503 then.
        """
        found: dict[str, int] = {}
        failed: list[str] = []
        for name, sweeping in sweeps.items():
            try:
                swept = await sweeping()
                found |= asdict(swept) if isinstance(swept, Swept) else {name: swept}
            except Exception as error:  # noqa: BLE001 - told in the answer
                logger.error("the sweep of %s failed", name, exc_info=error)
                failed.append(name)
        _warn(found)
        if failed:
            raise Unavailable(f"These sweeps failed, and go on with the next: {', '.join(failed)}.")
        return SweptView(**found)

    return router


def _warn(found: Mapping[str, int]) -> None:
    if found.get("tasks"):
        logger.warning("sweep handed %d nodes to the queue again", found["tasks"], extra={"fields": dict(found)})
