"""Read schedules, and what became of their ticks."""

from __future__ import annotations

from shared.domain.ids import Uid
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.domain.schedules import SCHEDULES, TICKS, Schedule, ScheduleId, Tick, schedule_path
from shared.ports.documents import Documents, Filter, Order, Query, Snapshot
from shared.usecases.read_owned import read_owned
from shared.usecases.read_page import read_page


async def open_schedule(documents: Documents, caller: Uid, schedule_id: ScheduleId) -> Schedule:
    """The caller's schedule.

    Raises:
        NotFound: there is no such schedule, or it is somebody else's.
        Unavailable: the store does not answer.
    """
    return read_schedule(await documents.get(schedule_path(schedule_id)), caller)


def read_schedule(snapshot: Snapshot, caller: Uid) -> Schedule:
    """The caller's schedule in a snapshot.

    Raises:
        NotFound: there is no such schedule, or it is somebody else's.
    """
    return read_owned(snapshot, Schedule, caller, "schedule")


async def list_schedules(documents: Documents, caller: Uid, limit: int, page_token: str | None) -> Page[Schedule]:
    """A page of the caller's schedules, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    query = Query(SCHEDULES, (Filter("owner_uid", "==", caller),), (Order("created_at", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(Schedule, fields))


async def list_ticks(
    documents: Documents, caller: Uid, schedule_id: ScheduleId, limit: int, page_token: str | None
) -> Page[Tick]:
    """A page of a schedule's history, the newest first.

    Raises:
        NotFound: there is no such schedule, or it is somebody else's.
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    await open_schedule(documents, caller, schedule_id)
    query = Query(TICKS, (Filter("schedule_id", "==", schedule_id),), (Order("created_at", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(Tick, fields))
