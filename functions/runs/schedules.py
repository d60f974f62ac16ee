"""The HTTP face of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from functions.runs.views import FailureView
from shared.domain.ids import AgentId
from shared.domain.records import from_json
from shared.domain.schedules import MAX_CRON_CHARACTERS, Schedule, ScheduleId, Tick, TickCause, TickState
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.request_headers import IdempotencyKey
from shared.edge.run_input import RunInput
from shared.edge.version_refs import VersionRefParameter
from shared.usecases.schedules.change_schedule import delete_schedule, pause_schedule, resume_schedule
from shared.usecases.schedules.fire_schedules import run_now
from shared.usecases.schedules.get_schedule import list_schedules, list_ticks, open_schedule
from shared.usecases.schedules.planner import Planner
from shared.usecases.schedules.put_schedule import ScheduleRequest, create_schedule, replace_schedule


class ScheduleBody(BaseModel):
    """What is to happen, and when."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    agent_id: ResourceId
    version: VersionRefParameter | None = Field(
        default=None, description="A name means at each tick what it means then; the latest if left out."
    )
    input: RunInput = Field(description="As of `POST /runs`; each tick is a run in a session of its own.")
    cron: str = Field(
        max_length=MAX_CRON_CHARACTERS, description="Minute, hour, day of month, month, day of week: `0 9 * * MON`."
    )
    time_zone: str = Field(default="UTC", max_length=100, description="An IANA name, such as Europe/Berlin.")

    @property
    def wanted(self) -> ScheduleRequest:
        """As the use cases take it."""
        return ScheduleRequest(self.name, AgentId(self.agent_id), self.input, self.cron, self.time_zone, self.version)


class NewScheduleBody(ScheduleBody):
    """A schedule to make."""

    is_paused: bool = False


class ScheduleView(BaseModel):
    """A schedule."""

    id: str
    name: str
    agent_id: str
    version: int | str | None
    input: Any
    cron: str
    time_zone: str
    is_paused: bool
    next_at: datetime | None = Field(description="When it is due; null while it is paused.")
    last_tick_at: datetime | None
    created_at: datetime
    updated_at: datetime


class TickView(BaseModel):
    """A time at which a schedule was due, or was asked to run."""

    id: str
    schedule_id: str
    cause: TickCause
    due_at: datetime
    state: TickState
    missed: int = Field(description="How many later ticks this one stands for, because nobody looked in time.")
    run_id: str | None
    error: FailureView | None = Field(description="Why there is no run.")
    created_at: datetime
    settled_at: datetime | None


class SchedulePage(BaseModel):
    """A page of schedules."""

    items: list[ScheduleView]
    next_page_token: str | None


class TickPage(BaseModel):
    """A page of a schedule's history."""

    items: list[TickView]
    next_page_token: str | None


def schedule_routes(planner: Planner) -> APIRouter:
    """The routes that make, show and forget schedules."""
    router = APIRouter(tags=["schedules"], route_class=JsonRoute)
    core = planner.core

    @router.post("/schedules", status_code=201, responses=problem_responses(400, 401, 403, 404, 429))
    async def create(caller: Caller, body: NewScheduleBody, response: Response) -> ScheduleView:
        """Let an agent run by the clock."""
        schedule = await create_schedule(planner, caller.uid, body.wanted, paused=body.is_paused)
        response.headers["Location"] = f"/schedules/{schedule.id}"
        return _schedule(schedule)

    @router.get("/schedules", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[PageQuery, Query()]) -> SchedulePage:
        """List your schedules, the newest first."""
        page = await list_schedules(core.documents, caller.uid, query.limit, query.page_token)
        return SchedulePage(items=[_schedule(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/schedules/{schedule_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, schedule_id: ResourceId) -> ScheduleView:
        """Read a schedule."""
        return _schedule(await open_schedule(core.documents, caller.uid, ScheduleId(schedule_id)))

    @router.put("/schedules/{schedule_id}", responses=problem_responses(400, 401, 403, 404, 409))
    async def replace(caller: Caller, schedule_id: ResourceId, body: ScheduleBody) -> ScheduleView:
        """Say anew what a schedule does; it stays paused or not."""
        return _schedule(await replace_schedule(planner, caller.uid, ScheduleId(schedule_id), body.wanted))

    @router.delete("/schedules/{schedule_id}", status_code=204, responses=problem_responses(401, 404, 409))
    async def delete(caller: Caller, schedule_id: ResourceId) -> None:
        """Forget a schedule; the runs that it has started stay."""
        await delete_schedule(core, caller.uid, ScheduleId(schedule_id))

    return router


def schedule_control_routes(planner: Planner) -> APIRouter:
    """The routes that pause schedules, run them, and show what became of their ticks."""
    router = APIRouter(tags=["schedules"], route_class=JsonRoute)
    core = planner.core

    @router.post("/schedules/{schedule_id}/pause", responses=problem_responses(401, 404, 409))
    async def pause(caller: Caller, schedule_id: ResourceId) -> ScheduleView:
        """Let a schedule be due no more; what it has started goes on."""
        return _schedule(await pause_schedule(core, caller.uid, ScheduleId(schedule_id)))

    @router.post("/schedules/{schedule_id}/resume", responses=problem_responses(401, 404, 409))
    async def resume(caller: Caller, schedule_id: ResourceId) -> ScheduleView:
        """Let a paused schedule be due again, from now on."""
        return _schedule(await resume_schedule(planner, caller.uid, ScheduleId(schedule_id)))

    @router.post("/schedules/{schedule_id}/run-now", status_code=202, responses=problem_responses(401, 404, 503))
    async def run(caller: Caller, schedule_id: ResourceId, idempotency_key: IdempotencyKey = None) -> TickView:
        """Run what a schedule runs, also while it is paused; a key that comes again gives the same tick."""
        return _tick(await run_now(core, caller.uid, ScheduleId(schedule_id), idempotency_key))

    @router.get("/schedules/{schedule_id}/history", responses=problem_responses(400, 401, 404))
    async def history(caller: Caller, schedule_id: ResourceId, query: Annotated[PageQuery, Query()]) -> TickPage:
        """List what became of a schedule's ticks in the last 90 days, the newest first."""
        page = await list_ticks(core.documents, caller.uid, ScheduleId(schedule_id), query.limit, query.page_token)
        return TickPage(items=[_tick(one) for one in page.items], next_page_token=page.next_page_token)

    return router


def _schedule(schedule: Schedule) -> ScheduleView:
    given = {name: getattr(schedule, name) for name in ScheduleView.model_fields if name != "input"}
    return ScheduleView(**given, input=from_json(schedule.input_json))


def _tick(tick: Tick) -> TickView:
    return TickView.model_validate(tick, from_attributes=True)
