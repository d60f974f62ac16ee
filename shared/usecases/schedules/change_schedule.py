"""Change a schedule: the one way in which its document changes at a person's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.domain.ids import Uid
from shared.domain.records import render
from shared.domain.schedules import Schedule, ScheduleId, schedule_path
from shared.domain.writes import Update
from shared.ports.documents import Snapshot
from shared.usecases.change_record import Change, change_record, delete_record
from shared.usecases.nodes.engine import Core
from shared.usecases.schedules.get_schedule import open_schedule, read_schedule
from shared.usecases.schedules.planner import Planner


async def change_schedule(
    core: Core, caller: Uid, schedule_id: ScheduleId, change: Callable[[Schedule, datetime], Schedule]
) -> Schedule:
    """Store what `change` makes of the schedule as it is; it is asked again when a tick comes in between.

    Raises:
        NotFound: there is no such schedule, or it is somebody else's.
        Aborted: it changes too fast.
        Unavailable: the store does not answer, or does not say whether it was changed.
    """

    async def decide(snapshot: Snapshot) -> Change[Schedule]:
        schedule, now = read_schedule(snapshot, caller), core.clock.now()
        new = change(schedule, now)
        if new == schedule:
            return Change(schedule)
        new = replace(new, updated_at=now)
        return Change(new, [Update(new.path, render(new), seen=snapshot.update_time)])

    return await change_record(core.documents, core.clock, schedule_path(schedule_id), decide)


async def pause_schedule(core: Core, caller: Uid, schedule_id: ScheduleId) -> Schedule:
    """Let a schedule be due no more; what it has started goes on.

    Raises:
        NotFound, Aborted, Unavailable: as `change_schedule`.
    """
    return await change_schedule(
        core, caller, schedule_id, lambda schedule, _: replace(schedule, is_paused=True, next_at=None)
    )


async def resume_schedule(planner: Planner, caller: Uid, schedule_id: ScheduleId) -> Schedule:
    """Let a paused schedule be due again, from now on: what it missed meanwhile is not made up for.

    Raises:
        NotFound, Aborted, Unavailable: as `change_schedule`.
    """

    def resume(schedule: Schedule, now: datetime) -> Schedule:
        if not schedule.is_paused:
            return schedule
        next_at = planner.timetables.next_after(schedule.cron, schedule.time_zone, now)
        return replace(schedule, is_paused=False, next_at=next_at)

    return await change_schedule(planner.core, caller, schedule_id, resume)


async def delete_schedule(core: Core, caller: Uid, schedule_id: ScheduleId) -> None:
    """Forget a schedule; the runs that it has started stay, and its history expires.

    Raises:
        NotFound: there is no such schedule, or it is somebody else's.
        Unavailable: the store does not answer, or does not say whether it was forgotten.
    """
    schedule = await open_schedule(core.documents, caller, schedule_id)
    await delete_record(core.documents, core.clock, schedule.path)
