"""Where the scheduler calls."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel, Field

from shared.edge.app import problem_responses
from shared.edge.logs import logger
from shared.edge.tasks import Deliverer
from shared.ports.task_queue import DeliveryQueue, IngestQueue
from shared.usecases.approvals.expire_approvals import expire_approvals
from shared.usecases.facts.sweep_facts import sweep_facts
from shared.usecases.knowledge.sweep_ingestions import sweep_ingestions
from shared.usecases.runs.sweep_runs import sweep_runs
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
    core = planner.core

    @router.post("/tasks/sweep", responses=problem_responses(401, 503))
    async def sweep(_deliverer: Deliverer) -> SweptView:
        """Fire schedules, hand silent attempts, forgotten nodes and documents to the queue again, remove sessions."""
        swept = SweptView(
            schedules=await fire_schedules(planner, SCHEDULES),
            approvals=await expire_approvals(core),
            **asdict(await sweep_runs(core, lease_seconds)),
            facts=await sweep_facts(core, FACTS),
            deliveries=await sweep_deliveries(core.documents, deliveries, core.clock, DELIVERIES),
            sessions=await remove_deleted(core.documents, SESSIONS),
            documents=await sweep_ingestions(core.documents, ingestions, core.clock, DOCUMENTS),
        )
        if swept.tasks:
            logger.warning(
                "sweep handed %d nodes to the queue again", swept.tasks, extra={"fields": swept.model_dump()}
            )
        return swept

    return router
