"""Schedules: what is due runs once, whoever looks, dies, or comes late."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.cron.timetables import CronTimetables
from shared.domain.agents import Proposal
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import InvalidArgument, NotFound, TooManyKept, Unavailable
from shared.domain.ids import AgentId, Uid
from shared.domain.records import parse, render
from shared.domain.schedules import (
    MAX_SCHEDULES,
    MAX_TRIES,
    RETRY_AFTER,
    Schedule,
    ScheduleId,
    Tick,
    TickState,
    tick_of,
)
from shared.domain.users import deactivation_path
from shared.domain.writes import Create, Put, Write
from shared.ports.documents import CommitRefused, Committed, Documents, Query
from shared.ports.identity import Identity
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.sweep_runs import sweep_runs
from shared.usecases.schedules.change_schedule import delete_schedule, pause_schedule, resume_schedule
from shared.usecases.schedules.fire_schedules import fire_schedules, run_now, start_tick
from shared.usecases.schedules.get_schedule import list_schedules, list_ticks, open_schedule
from shared.usecases.schedules.planner import Planner
from shared.usecases.schedules.put_schedule import ScheduleRequest, create_schedule, replace_schedule
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.interfering_documents import InterferingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.support.watched_documents import WatchedDocuments

MINUTE, HOUR = 60.0, 3600.0


class Office:
    """One deployment in which Ann has an agent; its clock begins on 1 January 2026 at 00:00 UTC."""

    def __init__(self) -> None:
        self.rig = EngineRig(ScriptedRunner(lambda _: (Step(("done",)),)))
        self.agent = AgentId("")

    async def open(self) -> Office:
        self.agent = await self.rig.make_agent()
        return self

    async def change_agent(self) -> None:
        """Make a new version of it."""
        shelf = Shelf(self.rig.documents, self.rig.clock, self.rig.ids)
        raw = {"name": "agent", "model": "local:scripted", "description": "another"}
        await update_agent(shelf, Identity(ANN, "user"), self.agent, Proposal(parse_definition(raw), raw))

    def planner(self, documents: Documents | None = None) -> Planner:
        """Of a process of its own."""
        rig = self.rig
        core = Core(documents or rig.documents, rig.queue, rig.clock, rig.ids)
        return Planner(core, CronTimetables(), rig.defects.append)

    async def schedule(self, cron: str = "0 * * * *", **wanted: Any) -> Schedule:
        return await create_schedule(self.planner(), ANN, self.wanted(cron, **wanted))

    def wanted(self, cron: str = "0 * * * *", **wanted: Any) -> ScheduleRequest:
        given: dict[str, Any] = {"name": "hourly", "agent_id": self.agent, "input": "report", **wanted}
        return ScheduleRequest(cron=cron, **given)

    async def fire(self, documents: Documents | None = None) -> int:
        return await fire_schedules(self.planner(documents), 100)

    async def ticks(self, schedule: Schedule) -> list[Tick]:
        return list((await list_ticks(self.rig.documents, ANN, schedule.id, 100, None)).items)

    async def runs(self) -> list[str]:
        return [run.id for run in await self.rig.documents.query(Query("runs"))]

    async def now(self, schedule: Schedule) -> Schedule:
        return await open_schedule(self.rig.documents, ANN, schedule.id)


@pytest.fixture
async def office() -> Office:
    return await Office().open()


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-01T{text}+00:00")


async def test_what_is_due_runs_with_what_the_schedule_says(office: Office) -> None:
    schedule = await office.schedule(input={"text": "report", "deep": True})
    assert (schedule.next_at, await office.fire()) == (at("01:00"), 0)
    await office.rig.clock.advance(HOUR + MINUTE)
    assert await office.fire() == 1
    (tick,) = await office.ticks(schedule)
    assert (tick.state, tick.due_at, tick.missed, tick.cause) == (TickState.STARTED, at("01:00"), 0, "cron")
    assert await office.runs() == [tick.run_id]
    assert tick.run_id is not None
    await office.rig.drain()
    run = await office.rig.run(tick.run_id)
    assert (run.owner_uid, run.state, run.agent_id) == (ANN, "succeeded", office.agent)
    assert run.input_json == '{"deep":true,"text":"report"}'
    schedule = await office.now(schedule)
    assert (schedule.next_at, schedule.last_tick_at) == (at("02:00"), at("01:00"))
    assert await office.fire() == 0


async def test_ticks_that_nobody_looked_at_for_hours_run_once(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.clock.advance(5.5 * HOUR)
    assert await office.fire() == 1
    assert await office.fire() == 0
    (tick,) = await office.ticks(schedule)
    assert (tick.due_at, tick.missed) == (at("01:00"), 4)
    assert (await office.now(schedule)).next_at == at("06:00")
    assert len(await office.runs()) == 1


async def test_missed_ticks_are_counted_to_a_bound(office: Office) -> None:
    schedule = await office.schedule("* * * * *")
    await office.rig.clock.advance(5 * HOUR)
    await office.fire()
    assert [tick.missed for tick in await office.ticks(schedule)] == [100]


async def test_two_sweepers_at_once_start_one_run(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.clock.advance(HOUR)
    taken = await asyncio.gather(*(office.fire() for _ in range(5)))
    assert sum(taken) == 1
    assert len(await office.runs()) == len(await office.ticks(schedule)) == 1


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_starts_one_run(fate: Fate) -> None:
    for failing in range(4):
        office = await Office().open()
        schedule = await office.schedule()
        await office.rig.clock.advance(HOUR)

        with contextlib.suppress(Died):
            await office.fire(FailingDocuments(office.rig.documents, at_commit(failing, fate)))
        for _ in range(3):
            await office.rig.clock.advance(RETRY_AFTER.total_seconds())
            await office.fire()
        ticks = await office.ticks(schedule)
        assert [(tick.state, tick.due_at) for tick in ticks] == [(TickState.STARTED, at("01:00"))], failing
        assert await office.runs() == [ticks[0].run_id]
        await office.rig.drain()
        assert (await office.rig.run(ticks[0].run_id or _no_run())).state == "succeeded"


def _no_run() -> Any:
    raise AssertionError("there is no run")


async def test_a_change_between_a_death_and_the_next_sweep_does_not_run_a_tick_twice(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.clock.advance(HOUR)
    # Dies between the run's start and the note of it.
    with pytest.raises(Died):
        await office.fire(FailingDocuments(office.rig.documents, at_commit(1, Fate.DIES_AFTER)))
    await replace_schedule(office.planner(), ANN, schedule.id, office.wanted(input="something else"))
    await office.rig.clock.advance(RETRY_AFTER.total_seconds())
    await office.fire()
    (tick,) = await office.ticks(schedule)
    assert (tick.state, await office.runs()) == (TickState.STARTED, [tick.run_id])


async def test_a_schedule_that_is_changed_while_it_fires_is_fired_by_the_next_sweep(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.clock.advance(HOUR)

    async def rename() -> None:
        await replace_schedule(office.planner(), ANN, schedule.id, office.wanted(name="renamed"))

    assert await office.fire(InterferingDocuments(office.rig.documents, rename, before_commit=1)) == 0
    assert await office.fire() == 1
    assert ((await office.now(schedule)).name, len(await office.runs())) == ("renamed", 1)


async def test_a_queue_that_does_not_answer_is_asked_again_later(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.clock.advance(HOUR)
    office.rig.queue.fail_next()
    await office.fire()
    assert [tick.state for tick in await office.ticks(schedule)] == [TickState.PENDING]
    assert await office.fire() == 0
    await office.rig.clock.advance(RETRY_AFTER.total_seconds())
    assert await office.fire() == 1
    assert [(tick.state, tick.tries) for tick in await office.ticks(schedule)] == [(TickState.STARTED, 2)]


async def test_a_run_that_is_stored_and_never_enqueued_is_noted_and_left_to_the_sweeper(office: Office) -> None:
    schedule = await office.schedule("0 0 1 * *")
    await office.rig.clock.advance(31 * 24 * HOUR)
    office.rig.queue.fail_next(1_000)
    for _ in range(MAX_TRIES + 2):
        await office.fire()
        await office.rig.clock.advance(RETRY_AFTER.total_seconds())
    (tick,) = await office.ticks(schedule)
    assert (tick.state, tick.tries, tick.take_up_at, tick.error) == (TickState.STARTED, MAX_TRIES, None, None)
    assert await office.runs() == [tick.run_id]
    office.rig.queue.fail_next(0)
    await sweep_runs(office.rig.core, LEASE_SECONDS)
    await office.rig.drain()
    assert (await office.rig.run(tick.run_id or _no_run())).state == "succeeded"


async def test_what_never_works_fails_in_the_end_and_says_why(office: Office) -> None:
    schedule = await office.schedule("0 0 1 * *")
    await office.rig.clock.advance(31 * 24 * HOUR)
    for _ in range(MAX_TRIES + 2):
        firing = asyncio.ensure_future(office.fire(_Runless(office.rig.documents)))
        await office.rig.clock.advance(RETRY_AFTER.total_seconds())
        await firing
    (tick,) = await office.ticks(schedule)
    assert (tick.state, tick.tries, tick.take_up_at) == (TickState.FAILED, MAX_TRIES, None)
    assert tick.error is not None
    assert (tick.error.code, tick.error.retryable) == ("too_many_runs", True)
    assert await office.runs() == []


class _Runless(WatchedDocuments):
    """A store that refuses every run."""

    async def commit(self, writes: Sequence[Write]) -> Committed:
        if any(write.path.startswith("runs/") for write in writes):
            raise CommitRefused
        return await super().commit(writes)


async def test_who_was_slow_to_fail_does_not_take_back_what_another_started(office: Office) -> None:
    schedule = await office.schedule()
    now = office.rig.clock.now()
    tick = tick_of(schedule, "manual", now, "once", now)
    await office.rig.documents.commit([Create(tick.path, render(tick))])

    async def another() -> None:
        taken = tick.taken_up(now)
        await office.rig.documents.commit([Put(tick.path, render(taken))])
        await start_tick(office.rig.core, taken)

    # The late one finds no version 7, and looks for a run before the other starts it.
    between = InterferingDocuments(office.rig.documents, another, before_commit=1)
    noted = await start_tick(office.planner(between).core, replace(tick, version=7))
    assert (noted.state, [noted.run_id]) == (TickState.STARTED, await office.runs())
    assert await office.ticks(schedule) == [noted]


async def test_a_tick_that_kills_whoever_takes_it_up_is_given_up(office: Office) -> None:
    schedule = await office.schedule("0 0 1 * *")
    await office.rig.clock.advance(31 * 24 * HOUR)
    for _ in range(MAX_TRIES + 3):
        with contextlib.suppress(Died):
            await office.fire(FailingDocuments(office.rig.documents, at_commit(0, Fate.DIES_AFTER)))
        await office.rig.clock.advance(RETRY_AFTER.total_seconds())
    await office.fire()
    (tick,) = await office.ticks(schedule)
    assert (tick.state, tick.run_id) == (TickState.FAILED, None)
    assert tick.error is not None
    assert tick.error.code == "internal"


async def test_an_agent_that_is_gone_makes_the_tick_fail_and_the_schedule_goes_on(office: Office) -> None:
    schedule = await office.schedule()
    documents = office.rig.documents
    agent = await documents.get(f"agents/{office.agent}")
    await documents.commit([Put(agent.path, {**agent.fields, "is_active": False})])
    await office.rig.clock.advance(HOUR)
    await office.fire()
    (tick,) = await office.ticks(schedule)
    assert (tick.state, tick.error and tick.error.code, tick.run_id) == (TickState.FAILED, "not_found", None)
    assert (await office.now(schedule)).next_at == at("02:00")


async def test_a_schedule_that_meets_a_defect_holds_up_no_other(office: Office) -> None:
    broken = await office.schedule()
    sound = await office.schedule(agent_id=await office.rig.make_agent(name="sound"))
    version = await office.rig.documents.get(f"agents/{office.agent}/versions/1")
    await office.rig.documents.commit([Put(version.path, {**version.fields, "definition_json": '{"name": 1}'})])
    await office.rig.clock.advance(HOUR)
    assert await office.fire() == 2
    assert [type(defect).__name__ for defect in office.rig.defects] == ["ValidationError"]
    states = [[tick.state for tick in await office.ticks(one)] for one in (broken, sound)]
    assert states == [[TickState.PENDING], [TickState.STARTED]]
    for _ in range(MAX_TRIES):
        await office.rig.clock.advance(RETRY_AFTER.total_seconds())
        await office.fire()
    (tick,) = await office.ticks(broken)
    assert (tick.state, tick.error and tick.error.code) == (TickState.FAILED, "internal")


async def test_whoever_was_deactivated_runs_nothing(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.documents.commit([Put(deactivation_path(ANN), {"since": office.rig.clock.now()})])
    await office.rig.clock.advance(HOUR)
    await office.fire()
    assert [tick.error and tick.error.code for tick in await office.ticks(schedule)] == ["account_deactivated"]
    assert await office.runs() == []


async def test_a_paused_schedule_is_not_due_and_makes_up_for_nothing(office: Office) -> None:
    schedule = await office.schedule()
    paused = await pause_schedule(office.rig.core, ANN, schedule.id)
    assert (paused.is_paused, paused.next_at) == (True, None)
    await office.rig.clock.advance(3.5 * HOUR)
    assert await office.fire() == 0
    resumed = await resume_schedule(office.planner(), ANN, schedule.id)
    assert (resumed.is_paused, resumed.next_at) == (False, at("04:00"))
    assert await resume_schedule(office.planner(), ANN, schedule.id) == resumed


async def test_new_times_count_from_now_and_a_paused_schedule_stays_paused(office: Office) -> None:
    schedule = await office.schedule()
    changed = await replace_schedule(office.planner(), ANN, schedule.id, office.wanted("30 * * * *"))
    assert changed.next_at == at("00:30")
    await pause_schedule(office.rig.core, ANN, schedule.id)
    changed = await replace_schedule(office.planner(), ANN, schedule.id, office.wanted("15 * * * *"))
    assert (changed.is_paused, changed.next_at) == (True, None)


async def test_a_schedules_times_are_those_of_its_zone_whatever_is_done_to_it(office: Office) -> None:
    core, planner, cron = office.rig.core, office.planner(), "30 8 * * *"
    schedule = await office.schedule(cron, time_zone="Europe/Berlin")
    assert schedule.next_at == at("07:30"), "made"
    moved = await replace_schedule(planner, ANN, schedule.id, office.wanted(cron, time_zone="America/New_York"))
    assert moved.next_at == at("13:30"), "only the zone changed"
    moved = await replace_schedule(planner, ANN, schedule.id, office.wanted("30 9 * * *", time_zone="America/New_York"))
    assert moved.next_at == at("14:30"), "only the times changed"
    await replace_schedule(planner, ANN, schedule.id, office.wanted(cron, time_zone="Europe/Berlin"))
    await pause_schedule(core, ANN, schedule.id)
    assert (await resume_schedule(planner, ANN, schedule.id)).next_at == at("07:30"), "resumed"
    await office.rig.clock.advance(7.5 * HOUR)
    assert await office.fire() == 1
    assert (await office.now(schedule)).next_at == at("07:30") + timedelta(days=1), "fired"


async def test_a_schedule_keeps_to_its_hour_when_its_zone_changes_its_clocks(office: Office) -> None:
    schedule = await office.schedule("30 8 * * *", time_zone="Europe/Berlin")
    due: list[datetime] = []
    office.rig.clock.jump((datetime(2026, 3, 28, tzinfo=UTC) - at("00:00")).total_seconds())
    await office.fire()
    for _ in range(2):
        next_at = (await office.now(schedule)).next_at
        assert next_at is not None
        due.append(next_at)
        office.rig.clock.jump((next_at - office.rig.clock.now()).total_seconds())
        assert await office.fire() == 1
    assert [one.isoformat() for one in due] == ["2026-03-28T07:30:00+00:00", "2026-03-29T06:30:00+00:00"]
    assert [tick.missed for tick in await office.ticks(schedule)] == [0, 0, 85]


async def test_a_tick_that_is_due_stays_due_when_something_else_is_changed(office: Office) -> None:
    schedule = await office.schedule()
    await office.rig.clock.advance(HOUR + 20)
    await replace_schedule(office.planner(), ANN, schedule.id, office.wanted(input="new words"))
    assert await office.fire() == 1
    (tick,) = await office.ticks(schedule)
    assert (tick.due_at, tick.input_json) == (at("01:00"), '"new words"')


async def test_running_now_starts_a_run_and_leaves_the_times_alone(office: Office) -> None:
    schedule = await office.schedule()
    await pause_schedule(office.rig.core, ANN, schedule.id)
    tick = await run_now(office.rig.core, ANN, schedule.id, "once")
    again = await run_now(office.rig.core, ANN, schedule.id, "once")
    other = await run_now(office.rig.core, ANN, schedule.id, None)
    assert (tick.state, tick.cause, again) == (TickState.STARTED, "manual", tick)
    assert sorted(await office.runs()) == sorted([tick.run_id or "", other.run_id or ""])
    assert (await office.now(schedule)).next_at is None


@pytest.mark.parametrize("fate", [Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_running_now_comes_to_one_run_wherever_it_fails(fate: Fate) -> None:
    for failing in range(3):
        office = await Office().open()
        schedule = await office.schedule()
        core = office.planner(FailingDocuments(office.rig.documents, at_commit(failing, fate))).core
        with contextlib.suppress(Died, Unavailable):
            await run_now(core, ANN, schedule.id, "once")
        await run_now(office.rig.core, ANN, schedule.id, "once")
        await office.rig.clock.advance(RETRY_AFTER.total_seconds())
        await office.fire()
        (tick,) = await office.ticks(schedule)
        assert (tick.state, await office.runs()) == (TickState.STARTED, [tick.run_id])


async def test_a_version_by_name_means_at_each_tick_what_it_means_then(office: Office) -> None:
    schedules = [await office.schedule(version=version) for version in ("latest", None, 1)]
    await office.rig.clock.advance(HOUR)
    assert await office.fire() == 3
    await office.change_agent()
    await office.rig.clock.advance(HOUR)
    assert await office.fire() == 3
    ran = [
        [(await office.rig.run(tick.run_id or _no_run())).version for tick in await office.ticks(schedule)]
        for schedule in schedules
    ]
    assert ran == [[2, 1], [2, 1], [1, 1]], "the newest tick first"
    with pytest.raises(NotFound):
        await office.schedule(version=7)


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ({"cron": "0 25 * * *"}, InvalidArgument),
        ({"time_zone": "Nowhere"}, InvalidArgument),
        ({"input": " "}, InvalidArgument),
        ({"agent_id": AgentId("another")}, NotFound),
    ],
)
async def test_what_cannot_work_is_refused_at_once(office: Office, wanted: dict[str, Any], refusal: type) -> None:
    with pytest.raises(refusal):
        await office.schedule(**wanted)
    assert (await list_schedules(office.rig.documents, ANN, 10, None)).items == ()


async def test_somebody_elses_schedule_is_not_there(office: Office) -> None:
    schedule, bob = await office.schedule(), Uid("bob")
    for asking in (
        open_schedule(office.rig.documents, bob, schedule.id),
        list_ticks(office.rig.documents, bob, schedule.id, 10, None),
        pause_schedule(office.rig.core, bob, schedule.id),
        run_now(office.rig.core, bob, schedule.id, None),
        delete_schedule(office.rig.core, bob, schedule.id),
    ):
        with pytest.raises(NotFound):
            await asking


@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_schedule_is_deleted_though_the_store_does_not_say_so(office: Office, fate: Fate) -> None:
    schedule = await office.schedule()
    documents = FailingDocuments(office.rig.documents, at_commit(0, fate))
    await delete_schedule(office.planner(documents).core, ANN, schedule.id)
    assert (await list_schedules(office.rig.documents, ANN, 10, None)).items == ()


@pytest.mark.parametrize(
    ("stop", "cause", "runs"),
    [
        (delete_schedule, "cron", 0),
        (pause_schedule, "cron", 0),
        (delete_schedule, "manual", 0),
        (pause_schedule, "manual", 1),
    ],
)
async def test_what_could_not_start_does_not_once_its_schedule_is_stopped(
    office: Office, stop: Any, cause: str, runs: int
) -> None:
    schedule = await office.schedule()
    office.rig.clock.jump(HOUR)
    tick = tick_of(schedule, "manual" if cause == "manual" else "cron", at("01:00"), "mark", office.rig.clock.now())
    await office.rig.documents.commit([Create(tick.path, render(tick))])  # and who noted it died
    await stop(office.rig.core, ANN, schedule.id)
    office.rig.clock.jump(RETRY_AFTER.total_seconds())
    await office.fire()
    assert len(await office.runs()) == runs
    noted = parse(Tick, (await office.rig.documents.get(tick.path)).fields or {})
    assert (noted.take_up_at, noted.state) == (None, TickState.STARTED if runs else TickState.FAILED)


async def test_a_deleted_schedule_is_not_due(office: Office) -> None:
    schedule = await office.schedule()
    await delete_schedule(office.rig.core, ANN, schedule.id)
    await office.rig.clock.advance(2 * HOUR)
    assert await office.fire() == 0
    with pytest.raises(NotFound):
        await open_schedule(office.rig.documents, ANN, ScheduleId(schedule.id))


async def test_nobody_has_more_than_the_most(office: Office) -> None:
    for _ in range(MAX_SCHEDULES):
        await office.schedule()
    with pytest.raises(TooManyKept):
        await office.schedule()


async def test_history_expires(office: Office) -> None:
    schedule = await office.schedule()
    tick = await run_now(office.rig.core, ANN, schedule.id, None)
    assert tick.expires_at - tick.created_at == timedelta(days=90)
