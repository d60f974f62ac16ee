"""Make a schedule, or say anew what it does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.domain.agents import VersionRef
from shared.domain.errors import InvalidArgument, TooManyKept
from shared.domain.grants import Permission
from shared.domain.ids import AgentId, Uid
from shared.domain.records import render, to_json
from shared.domain.run_inputs import check_input, fit_input
from shared.domain.schedules import MAX_SCHEDULES, SCHEDULES, Schedule, ScheduleId
from shared.domain.writes import Create
from shared.ports.documents import Filter, Query
from shared.ports.identity import Identity
from shared.usecases.agents.load_definition import load_definition, number_to_run
from shared.usecases.create_record import create_record
from shared.usecases.grants.open_agent import open_agent
from shared.usecases.schedules.change_schedule import change_schedule
from shared.usecases.schedules.planner import Planner


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """What a person wants to happen, and when; the names are those of `Schedule`."""

    name: str
    agent_id: AgentId
    input: Any
    cron: str
    time_zone: str = "UTC"
    version: VersionRef | None = None


async def create_schedule(planner: Planner, caller: Uid, wanted: ScheduleRequest, *, paused: bool = False) -> Schedule:
    """Store a schedule; what it asks for must be possible now.

    Raises:
        InvalidArgument: the expression, the time zone or the input is not right.
        NotFound: there is no such agent or version for the caller.
        PermissionDenied: the caller may see the agent, but not run it.
        TooManyKept: the caller has the most schedules that one may have.
        Unavailable: the store does not answer; the schedule may have been stored.
    """
    documents, now = planner.core.documents, planner.core.clock.now()
    await _check(planner, caller, wanted)
    owned = Query(SCHEDULES, (Filter("owner_uid", "==", caller),), limit=MAX_SCHEDULES)
    if len(await documents.query(owned)) >= MAX_SCHEDULES:
        raise TooManyKept(f"You have {MAX_SCHEDULES} schedules, which is the most; delete one first.")
    schedule = Schedule(
        id=ScheduleId(planner.core.ids.new()),
        owner_uid=caller,
        **_wanted_fields(wanted),
        is_paused=paused,
        next_at=None if paused else planner.timetables.next_after(wanted.cron, wanted.time_zone, now),
        created_at=now,
        updated_at=now,
    )
    await create_record(documents, [Create(schedule.path, render(schedule))], "schedule")
    return schedule


async def replace_schedule(planner: Planner, caller: Uid, schedule_id: ScheduleId, wanted: ScheduleRequest) -> Schedule:
    """Say anew what a schedule does; a tick that is due already stays due, unless the times change.

    Raises:
        NotFound: there is no such schedule, agent or version for the caller.
        DomainError: as `create_schedule` and `change_schedule`.
    """

    def change(schedule: Schedule, now: datetime) -> Schedule:
        new = replace(schedule, **_wanted_fields(wanted))
        if new.is_paused or (new.cron, new.time_zone) == (schedule.cron, schedule.time_zone):
            return new
        return replace(new, next_at=planner.timetables.next_after(new.cron, new.time_zone, now))

    await _check(planner, caller, wanted)
    return await change_schedule(planner.core, caller, schedule_id, change)


def _wanted_fields(wanted: ScheduleRequest) -> dict[str, Any]:
    """What a person says of a schedule, as its fields."""
    return {
        "name": wanted.name,
        "agent_id": wanted.agent_id,
        "version": wanted.version,
        "input_json": to_json(wanted.input),
        "cron": wanted.cron,
        "time_zone": wanted.time_zone,
    }


async def _check(planner: Planner, caller: Uid, wanted: ScheduleRequest) -> None:
    if faults := planner.timetables.faults(wanted.cron, wanted.time_zone):
        raise InvalidArgument("The schedule is not valid.", faults)
    check_input(wanted.input)
    documents = planner.core.documents
    opened = await open_agent(documents, Identity(caller, "user"), wanted.agent_id, Permission.RUN)
    number = number_to_run(opened.agent, opened.access, wanted.version)
    loaded = await load_definition(documents, wanted.agent_id, number)
    fit_input(loaded.definition.input_schema, wanted.input)
