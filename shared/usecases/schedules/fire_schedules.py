"""Fire what is due: note the tick in the commit that moves the schedule on, then start its run.

Two who do so at once, or one that dies in between, start one run: only one of them moves the schedule on, the tick
keeps what is to run, and the run's id follows from the tick's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from shared.domain.errors import (
    AccountDeactivated,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from shared.domain.ids import RunId, Uid
from shared.domain.records import from_json, parse, render
from shared.domain.runs import Failure, run_path
from shared.domain.schedules import (
    MAX_MISSED,
    MAX_TRIES,
    RETRY_AFTER,
    SCHEDULES,
    TICKS,
    Schedule,
    ScheduleId,
    Tick,
    TickState,
    schedule_path,
    tick_of,
)
from shared.domain.users import deactivation_path
from shared.domain.writes import Create, Update
from shared.ports.documents import CommitRefused, Documents, Filter, Order, OutcomeUnknown, Query, Snapshot
from shared.ports.timetables import Timetables
from shared.usecases.change_record import Change, change_record
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.start_run import RunRequest, id_of_key, start_run
from shared.usecases.schedules.get_schedule import open_schedule
from shared.usecases.schedules.planner import Planner
from shared.usecases.sweep_each import make_due_again, sweep_each
from shared.usecases.try_commit import try_commit


async def fire_schedules(planner: Planner, limit: int) -> int:
    """Take up each schedule that is due, and each tick that somebody took up and left; how many there were.

    A defect that one of them meets holds up no other: it is reported, and it is looked at again later.

    Args:
        planner: the ports.
        limit: the most schedules, and the most ticks that were left.

    Raises:
        Unavailable: the store does not answer.
    """
    documents, now = planner.core.documents, planner.core.clock.now()
    due = Query(SCHEDULES, (Filter("next_at", "<=", now),), (Order("next_at"),), limit=limit)
    left = Query(TICKS, (Filter("take_up_at", "<=", now),), (Order("take_up_at"),), limit=limit)
    report = planner.report_defect
    later = partial(make_due_again, documents, "next_at", now + RETRY_AFTER)
    ticks = await sweep_each(await documents.query(due), partial(_note, planner, now), later, report)
    later = partial(make_due_again, documents, "take_up_at", now + RETRY_AFTER)
    ticks += await sweep_each(await documents.query(left), partial(_take_up, planner.core, now), later, report)
    taken = [tick for tick in ticks if tick is not None]
    await sweep_each(taken, partial(start_tick, planner.core), _leave, report)
    return len(taken)


async def run_now(core: Core, caller: Uid, schedule_id: ScheduleId, key: str | None) -> Tick:
    """Run what a schedule runs, also while it is paused; its own times stay as they are.

    Args:
        core: the ports.
        caller: whose schedule it is.
        schedule_id: the schedule.
        key: the same key gives the same tick.

    Raises:
        NotFound: there is no such schedule, or it is somebody else's.
        Unavailable: the store does not answer.
    """
    schedule = await open_schedule(core.documents, caller, schedule_id)
    now = core.clock.now()
    tick = tick_of(schedule, "manual", now, key or core.ids.new(), now)
    try:
        await core.documents.commit([Create(tick.path, render(tick))])
    except (CommitRefused, OutcomeUnknown):
        fields = (await core.documents.get(tick.path)).fields
        if fields is None:
            raise Unavailable("The store does not answer; try again.") from None
        tick = parse(Tick, fields)
    return tick if tick.state is not TickState.PENDING else await start_tick(core, tick)


async def start_tick(core: Core, tick: Tick) -> Tick:
    """Start the run of a tick that was taken up, and note it; what fails for now stays to be taken up again.

    Raises:
        Aborted, Unavailable: the store does not answer; whoever takes it up again finds the same run.
    """
    outcome = await _outcome(core, tick)
    if isinstance(outcome, Failure):
        started = await core.documents.get(run_path(id_of_key(tick.owner_uid, tick.key)))
        outcome = RunId(started.id) if started.exists else outcome  # stored, but not enqueued: the sweeper does it
    if outcome is None:
        return tick
    return await change_record(core.documents, core.clock, tick.path, partial(_settle, core, tick, outcome))


async def _settle(core: Core, tick: Tick, outcome: RunId | Failure, snapshot: Snapshot) -> Change[Tick]:
    """Note what it came to: a run stands above a failure, and of that only who took the tick up last may tell."""
    if snapshot.fields is None:
        return Change(tick)  # its history has expired
    stored = parse(Tick, snapshot.fields)
    is_settled = stored.state is TickState.STARTED
    if isinstance(outcome, Failure):
        is_settled = stored.state is not TickState.PENDING or stored.tries > tick.tries
    if is_settled:
        return Change(stored)
    settled = stored.settled(outcome, core.clock.now())
    return Change(settled, [Update(tick.path, render(settled), seen=snapshot.update_time)])


async def _note(planner: Planner, now: datetime, snapshot: Snapshot) -> Tick | None:
    """Move a schedule on and note its tick; None where somebody else did, or it is not known who."""
    schedule = parse(Schedule, snapshot.fields or {})
    due_at = schedule.next_at
    if due_at is None:
        return None
    tick = tick_of(schedule, "cron", due_at, due_at.isoformat(), now)
    tick = replace(tick, missed=_missed(planner.timetables, schedule, due_at, now))
    moved = {"next_at": _next(planner.timetables, schedule, now), "last_tick_at": due_at}
    writes = [Update(schedule.path, moved, seen=snapshot.update_time), Create(tick.path, render(tick))]
    # If it is there all the same, it is taken up as one that was left.
    return tick if await try_commit(planner.core.documents, writes) else None


async def _take_up(core: Core, now: datetime, snapshot: Snapshot) -> Tick | None:
    """Take up a tick that was left; None where somebody else does."""
    tick = parse(Tick, snapshot.fields or {}).taken_up(now)
    taken_up = Update(tick.path, render(tick), seen=snapshot.update_time)
    return tick if await try_commit(core.documents, [taken_up]) else None


async def _leave(_tick: Tick, _error: Exception) -> None:
    """A tick that was taken up is due again by itself."""


async def _outcome(core: Core, tick: Tick) -> RunId | Failure | None:
    """The run, why there is none, or None to try again."""
    if tick.tries > MAX_TRIES:
        return Failure("internal", f"the run was not started in {MAX_TRIES} tries")
    request = RunRequest(
        caller=tick.owner_uid,
        input=from_json(tick.input_json),
        agent_id=tick.agent_id,
        version=tick.version,
        idempotency_key=tick.key,
    )
    try:
        await _check_wanted(core.documents, tick)
        return (await start_run(core, request)).run.id
    except DomainError as error:
        if error.retryable and tick.tries < MAX_TRIES:
            return None
        return Failure(error.code, error.message, error.retryable)


async def _check_wanted(documents: Documents, tick: Tick) -> None:
    """Refuse what nobody wants any more: it may be minutes ago that the tick was due.

    Raises:
        AccountDeactivated: its owner may do nothing.
        NotFound, FailedPrecondition: the schedule was deleted, or paused, which is said of its own times only.
    """
    paths = (deactivation_path(tick.owner_uid), schedule_path(tick.schedule_id))
    deactivated, schedule = await documents.get_many(paths)
    if deactivated.exists:
        raise AccountDeactivated("The account of the schedule's owner is deactivated.")
    if schedule.fields is None:
        raise NotFound("The schedule was deleted before the run was started.")
    if tick.cause == "cron" and parse(Schedule, schedule.fields).is_paused:
        raise FailedPrecondition("The schedule was paused before the run was started.")


def _next(timetables: Timetables, schedule: Schedule, after: datetime) -> datetime | None:
    try:
        return timetables.next_after(schedule.cron, schedule.time_zone, after)
    except InvalidArgument:
        return None  # the zone is not in the database any more


def _missed(timetables: Timetables, schedule: Schedule, due_at: datetime, now: datetime) -> int:
    """How many more ticks are due by now."""
    at = due_at
    for count in range(MAX_MISSED):
        following = _next(timetables, schedule, at)
        if following is None or following > now:
            return count
        at = following
    return MAX_MISSED
