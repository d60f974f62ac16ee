"""Who starts runs too fast, too many at once, or more than a day allows, is told when to come again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.errors import Aborted, NotFound, QuotaExceeded, TooManyRuns
from shared.domain.ids import Uid
from shared.domain.quotas import QUOTAS, Quota, parse_quota
from shared.domain.states import RunState
from shared.domain.writes import Create, Put
from shared.edge.errors import render_domain_error
from shared.ports.agent_runner import Forecast
from shared.ports.documents import CommitRefused
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.start_run import RunRequest, start_run
from shared.usecases.users.get_usage import Meter, UsageToday, get_usage
from shared.usecases.users.set_quota import set_quota
from tests.support.engine_rig import ANN, EngineRig
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time
from tests.support.scripted_runner import COST, Step
from tests.support.watched_documents import WatchedDocuments

TOKENS = COST.input_tokens + COST.output_tokens
PRICE = COST.cost_usd_micros or 0
ASKS_TWICE = {
    "name": "twice",
    "type": "graph",
    "graph": {
        "nodes": {
            "one": {"kind": "agent", "prompt": "one"},
            "two": {"kind": "agent", "prompt": "two", "after": ["one"]},
        }
    },
}
USER = {
    "uid": ANN,
    "username": "ann",
    "email": None,
    "display_name": None,
    "role": "user",
    "is_active": True,
}


async def usage(rig: EngineRig, uid: Uid = ANN) -> UsageToday:
    now = rig.clock.now()
    await rig.documents.commit([Put(f"users/{uid}", {**USER, "uid": uid, "created_at": now, "updated_at": now})])
    return await get_usage(rig.documents, uid, rig.quota, rig.clock.now())


async def test_runs_are_started_no_faster_than_the_minute_allows() -> None:
    rig = EngineRig(quota=Quota(runs_per_minute=2))
    agent = await rig.make_agent()
    await rig.start(agent)
    rig.clock.jump(20)
    await rig.start(agent)
    rig.clock.jump(25)
    with pytest.raises(TooManyRuns) as refused:
        await rig.start(agent)
    assert refused.value.retry_after_seconds == 15
    assert (await usage(rig)).runs_per_minute == Meter(2, 2, resets_at=rig.clock.now() + timedelta(seconds=15))
    rig.clock.jump(15)
    assert (await rig.start(agent)).created


@pytest.mark.parametrize("name", [name for name in QUOTAS if name != "parallel_nodes"])
async def test_whom_a_quota_lets_start_nothing_is_not_told_to_come_again(name: str) -> None:
    rig = EngineRig(quota=Quota(**{name: 0}))
    agent = await rig.make_agent()
    with pytest.raises(QuotaExceeded, match=r"^Your quota lets you start no runs\.$") as refused:
        await rig.start(agent)
    assert "Retry-After" not in render_domain_error(refused.value).headers


async def test_runs_of_a_day_are_counted_until_it_ends() -> None:
    rig = EngineRig(quota=Quota(runs_per_day=1))
    rig.clock.jump(23 * 3600)
    agent = await rig.make_agent()
    await rig.start(agent)
    with pytest.raises(QuotaExceeded) as refused:
        await rig.start(agent)
    assert refused.value.retry_after_seconds == 3600
    assert refused.value.code == "quota_exceeded"
    rig.clock.jump(3600)
    assert (await usage(rig)).runs == Meter(1, 0, resets_at=(await usage(rig)).tokens.resets_at)
    await rig.start(agent)


async def test_a_run_is_active_until_it_ends_whatever_way() -> None:
    rig = EngineRig(quota=Quota(concurrent_runs=3))
    agent = await rig.make_agent()
    first = await rig.start(agent)
    await rig.start(session_id=first.run.session_id, if_busy="enqueue")
    waiting = await rig.start(session_id=first.run.session_id, if_busy="enqueue")
    assert (await usage(rig)).concurrent_runs == Meter(3, 3)
    with pytest.raises(TooManyRuns):
        await rig.start(agent)
    await cancel_run(rig.core, ANN, waiting.run.id)
    assert (await usage(rig)).concurrent_runs.used == 2
    await rig.drain()
    assert (await usage(rig)).concurrent_runs.used == 0
    assert (await rig.run(first.run.id)).state is RunState.SUCCEEDED


async def test_the_same_key_counts_once_and_is_answered_also_when_all_are_used() -> None:
    rig = EngineRig(quota=Quota(runs_per_day=1))
    agent = await rig.make_agent()
    first = await rig.start(agent, idempotency_key="k")
    again = await rig.start(agent, idempotency_key="k")
    assert (first.created, again.created, again.run.id) == (True, False, first.run.id)


async def test_of_many_at_once_only_as_many_are_started_as_are_left() -> None:
    rig = EngineRig(quota=Quota(runs_per_day=3))
    agent = await rig.make_agent()

    async def ask() -> Any:
        return await start_run(rig.core, RunRequest(ANN, "hello", agent))

    outcomes = await in_time(rig.clock, asyncio.gather(*(ask() for _ in range(6)), return_exceptions=True), 0.05)
    refused = [outcome for outcome in outcomes if isinstance(outcome, QuotaExceeded)]
    assert len(refused) == 3
    assert (await usage(rig)).runs.used == 3


async def test_a_refused_run_leaves_nothing_behind() -> None:
    rig = EngineRig(quota=Quota(runs_per_minute=1))
    agent = await rig.make_agent()
    await rig.start(agent)
    before = rig.documents.paths
    with pytest.raises(TooManyRuns):
        await rig.start(agent)
    assert rig.documents.paths == before


async def test_where_nothing_limits_starts_nothing_is_counted() -> None:
    rig = EngineRig(quota=Quota(calls_per_day=9))
    await rig.start(await rig.make_agent())
    assert f"usage/{ANN}" not in rig.documents.paths


@pytest.mark.parametrize(
    ("quota", "name", "limit"),
    [
        (Quota(calls_per_day=2), "calls", 2),
        (Quota(tokens_per_day=2 * TOKENS), "tokens", 2 * TOKENS),
        (Quota(cost_usd_micros_per_day=2 * PRICE), "cost_usd_micros", 2 * PRICE),
    ],
)
async def test_a_day_that_is_used_up_refuses_runs_when_they_are_started(quota: Quota, name: str, limit: int) -> None:
    rig = EngineRig(quota=quota)
    rig.runner.forecast = Forecast(TOKENS, PRICE)
    agent = await rig.make_agent()
    for _ in range(2):
        await rig.start(agent)
        await rig.drain()
    assert getattr(await usage(rig), name) == Meter(limit, limit, resets_at=(await usage(rig)).runs.resets_at)
    with pytest.raises(QuotaExceeded) as refused:
        await rig.start(agent)
    assert refused.value.retry_after_seconds == 24 * 3600 - rig.clock.monotonic()


@pytest.mark.parametrize("before", [Quota(), Quota(calls_per_day=9), Quota(cost_usd_micros_per_day=1_000)])
@pytest.mark.parametrize("most", [Quota(calls_per_day=3), Quota(tokens_per_day=3 * TOKENS)])
async def test_what_was_consumed_before_a_limit_was_set_counts(before: Quota, most: Quota) -> None:
    rig = EngineRig(quota=before)
    rig.runner.forecast = Forecast(TOKENS, PRICE)
    agent = await rig.make_agent()
    for _ in range(2):
        await rig.start(agent)
        await rig.drain()
    rig.quota = most
    started = await rig.start(await rig.make_agent(**ASKS_TWICE))
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.FAILED
    assert (await usage(rig)).calls.used == 3


async def test_what_an_administrator_sets_for_a_person_holds_for_that_person_alone() -> None:
    rig = EngineRig(quota=Quota(runs_per_day=1, calls_per_day=50))
    await rig.documents.commit(
        [Create(f"users/{ANN}", {**USER, "created_at": rig.clock.now(), "updated_at": rig.clock.now()})]
    )
    assert await set_quota(rig.documents, ANN, Quota(runs_per_day=2)) == Quota(runs_per_day=2)
    agent = await rig.make_agent()
    await rig.start(agent)
    await rig.start(agent)
    with pytest.raises(QuotaExceeded):
        await rig.start(agent)
    found = await usage(rig)
    assert (found.runs.limit, found.calls.limit) == (2, 50)
    assert (await usage(rig, Uid("bob"))).runs.limit == 1
    with pytest.raises(NotFound):
        await set_quota(rig.documents, Uid("nobody"), Quota())


async def test_a_quota_that_was_changed_at_the_same_time_is_to_be_set_again() -> None:
    rig = EngineRig()
    now = rig.clock.now()
    await rig.documents.commit([Create(f"users/{ANN}", {**USER, "created_at": now, "updated_at": now})])
    documents = WatchedDocuments(rig.documents)
    documents.lose_replies.append((False, CommitRefused("contention")))
    with pytest.raises(Aborted):
        await set_quota(documents, ANN, Quota())


async def test_nobody_has_no_usage() -> None:
    rig = EngineRig()
    with pytest.raises(NotFound):
        await get_usage(rig.documents, ANN, rig.quota, rig.clock.now())


async def test_what_nodes_at_work_hold_is_shown_apart() -> None:
    rig = EngineRig(quota=Quota(calls_per_day=160, parallel_nodes=4))
    held: list[UsageToday] = []

    async def look() -> None:
        held.append(await usage(rig))

    rig.runner.script = lambda _: (Step(("x",), before_end=look),)
    await rig.start(await rig.make_agent())
    await rig.drain()
    (at_work,) = held
    assert (at_work.calls.used, at_work.calls.held, at_work.parallel_nodes.held) == (0, 8, 1)
    after = await usage(rig)
    assert (after.calls.used, after.calls.held, after.parallel_nodes.held) == (1, 0, 0)


async def test_somebody_else_who_is_faster_takes_the_last_run() -> None:
    rig = EngineRig(quota=Quota(runs_per_day=1))
    agent = await rig.make_agent()
    inner = rig.documents

    async def elsewhere() -> None:
        other = Core(inner, rig.queue, rig.clock, rig.ids, quota=rig.quota)
        await start_run(other, RunRequest(ANN, "first", agent))

    rig.documents = InterferingDocuments(inner, elsewhere, before_commit=1)
    with pytest.raises(QuotaExceeded):
        await rig.start(agent)


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("", Quota()),
        ("runs_per_minute=60", Quota(runs_per_minute=60)),
        (" calls_per_day = 5 , concurrent_runs=2,", Quota(calls_per_day=5, concurrent_runs=2)),
    ],
)
def test_a_quota_is_read_from_settings(text: str, quota: Quota) -> None:
    assert parse_quota(text) == quota


def test_a_quota_that_lets_no_node_work_is_refused() -> None:
    with pytest.raises(ValueError, match="parallel_nodes is at least 1"):
        parse_quota("runs_per_day=0, parallel_nodes=0")


@pytest.mark.parametrize("text", ["calls=5", "calls_per_day", "calls_per_day=-1", "calls_per_day=many"])
def test_a_quota_that_is_misspelt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="calls_per_day"):
        parse_quota(text)
