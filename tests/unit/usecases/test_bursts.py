"""Many who start runs at once for one person are all started, or told that it is too much: nobody hears of a race."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.errors import DomainError, TooManyRuns, Unavailable
from shared.domain.ids import AgentId
from shared.domain.quotas import BUSY_SECONDS, Quota, standing_path
from shared.domain.writes import Increment, Merge
from shared.edge.errors import render_domain_error
from shared.ports.documents import Documents, OutcomeUnknown
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.let_others_start import WITHIN_SECONDS
from shared.usecases.runs.start_run import RunRequest, StartedRun, start_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time
from tests.support.slow_documents import SlowDocuments
from tests.support.watched_documents import WatchedDocuments

AT_ONCE = 40
ROUND_TRIP_SECONDS = 0.02


def contended(rig: EngineRig, every: int) -> Documents:
    """A store in which another run of Ann's ends before every nth commit, which changes her standing."""
    ended = Merge(standing_path(ANN), {"owner_uid": ANN, "active_runs": Increment(-1)})
    return InterferingDocuments(rig.documents, lambda: rig.documents.commit([ended]), before_each=every)


async def burst(rig: EngineRig, documents: Documents, agent: AgentId, number: int = AT_ONCE) -> list[Any]:
    """What becomes of so many requests of Ann's at once."""
    core = Core(documents, rig.queue, rig.clock, rig.ids, quota=rig.quota)
    starting = (start_run(core, RunRequest(ANN, "hello", agent)) for _ in range(number))
    return await in_time(rig.clock, asyncio.gather(*starting, return_exceptions=True))


@pytest.mark.parametrize(("most", "started"), [(25, 25), (1_000, AT_ONCE)], ids=["more than may", "all may"])
@pytest.mark.parametrize("far", [False, True], ids=["in lockstep", "over a network"])
async def test_of_a_burst_as_many_are_started_as_may_be_and_the_others_are_too_many(
    most: int, started: int, *, far: bool
) -> None:
    rig = EngineRig(quota=Quota(runs_per_minute=most))
    agent = await rig.make_agent()
    near = contended(rig, every=3)
    documents = SlowDocuments(near, rig.clock, ROUND_TRIP_SECONDS) if far else near
    outcomes = await burst(rig, documents, agent)
    waits = [one.retry_after_seconds or 0 for one in outcomes if isinstance(one, TooManyRuns)]
    assert sum(isinstance(one, StartedRun) for one in outcomes) == started
    assert len(waits) == AT_ONCE - started
    assert all(60 - WITHIN_SECONDS < seconds <= 60 for seconds in waits)
    standing = (await rig.documents.get(standing_path(ANN))).fields
    assert standing["runs_per_minute"]["used"] == started
    assert len([path for path in rig.documents.paths if path.startswith("slots/")]) == started


def lost_replies(rig: EngineRig) -> Documents:
    documents = WatchedDocuments(rig.documents)
    documents.lose_replies.extend([(False, OutcomeUnknown())] * 1_000)
    return documents


@pytest.mark.parametrize(
    ("error", "status", "retry_after"), [(TooManyRuns, 429, f"{BUSY_SECONDS:.0f}"), (Unavailable, 503, "1")]
)
async def test_who_never_gets_a_turn_is_told_within_seconds_when_to_come_again(
    error: type[DomainError], status: int, retry_after: str
) -> None:
    rig = EngineRig(quota=Quota(runs_per_minute=1_000))
    agent = await rig.make_agent()
    before = set(rig.documents.paths)
    documents = contended(rig, every=1) if error is TooManyRuns else lost_replies(rig)
    (refused,) = await burst(rig, documents, agent, 1)
    assert isinstance(refused, error)
    answer = render_domain_error(refused)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, retry_after)
    assert WITHIN_SECONDS / 2 < rig.clock.monotonic() <= WITHIN_SECONDS
    assert set(rig.documents.paths) - before <= {standing_path(ANN)}
