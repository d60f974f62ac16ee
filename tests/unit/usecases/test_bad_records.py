"""A record that cannot be read holds up nothing else that the sweeper sees to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.dead_letters import MAX_FRUITLESS
from shared.domain.errors import Unavailable
from shared.domain.runs import SWEEP_AFTER, plan_path, run_path
from shared.domain.states import RunState
from shared.domain.writes import Put, Update
from shared.ports.documents import Query
from shared.usecases.approvals.expire_approvals import PUT_OFF, expire_approvals
from shared.usecases.runs import sweep_runs as module
from shared.usecases.runs.sweep_runs import sweep_runs
from shared.usecases.sweep_each import MOST_REFUSALS, sweep_each
from tests.support.engine_rig import LEASE_SECONDS, EngineRig


@pytest.fixture
def rig() -> EngineRig:
    return EngineRig()


async def test_a_run_whose_plan_cannot_be_read_is_put_off_and_the_next_is_woken(
    rig: EngineRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    agent = await rig.make_agent()
    broken = (await rig.start(agent)).run
    await rig.clock.advance(1)
    sound = (await rig.start(agent)).run
    rig.queue.pending.clear()
    await rig.documents.commit([Update(plan_path(broken.id, 0), {"text": "?"})])
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    for _ in range(2):
        await sweep_runs(rig.core, LEASE_SECONDS, rig.defects.append)
    assert (await rig.run(broken.id)).next_sweep_at == rig.clock.now() + SWEEP_AFTER
    await rig.drain()
    assert [type(defect).__name__ for defect in rig.defects] == ["ValidationError"]
    assert (await rig.run(sound.id)).state is RunState.SUCCEEDED


async def test_a_run_that_can_never_be_looked_at_is_told_to_a_person(rig: EngineRig) -> None:
    broken = (await rig.start(await rig.make_agent())).run
    await rig.documents.commit([Update(plan_path(broken.id, 0), {"text": "?"})])
    for _ in range(MAX_FRUITLESS):
        await rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
        await sweep_runs(rig.core, LEASE_SECONDS, rig.defects.append)
    (letter,) = await rig.documents.query(Query("dead_letters"))
    assert letter.fields is not None
    assert letter.fields["subject"] == {"run_id": broken.id}
    assert "fails each time" in letter.fields["reason"]


async def test_a_queue_that_is_away_for_long_makes_no_run_a_dead_letter(rig: EngineRig) -> None:
    run = (await rig.start(await rig.make_agent())).run
    rig.queue.pending.clear()
    rig.queue.fail_next(1_000)
    for _ in range(MAX_FRUITLESS + 1):
        await rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
        with pytest.raises(Unavailable):
            await sweep_runs(rig.core, LEASE_SECONDS)
    rig.queue.fail_next(0)
    await rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
    await sweep_runs(rig.core, LEASE_SECONDS)
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED
    assert await rig.documents.query(Query("dead_letters")) == []


async def test_a_damaged_approval_is_put_off(rig: EngineRig) -> None:
    damaged: dict[str, Any] = {"state": "pending", "expires_at": rig.clock.now()}
    await rig.documents.commit([Put("approvals/a1", damaged)])
    assert await expire_approvals(rig.core, rig.defects.append) == 1
    assert [type(defect).__name__ for defect in rig.defects] == ["ValidationError"]
    assert (await rig.documents.get("approvals/a1")).fields["expires_at"] == rig.clock.now() + PUT_OFF
    assert await expire_approvals(rig.core) == 0


async def test_what_the_store_does_not_give_is_put_off_too_and_told_at_the_end() -> None:
    seen: list[int] = []
    later: list[int] = []

    async def see_to(one: int) -> None:
        seen.append(one)
        if one % 2:
            raise Unavailable(f"{one} does not answer")

    async def put_off(one: int, _: Exception) -> None:
        later.append(one)
        raise Unavailable("the store does not answer")

    with pytest.raises(Unavailable, match="1 does"):
        await sweep_each(range(100), see_to, put_off)
    assert (later, seen[-1]) == ([1, 3, 5], 2 * MOST_REFUSALS - 1)


async def test_a_sweep_without_a_report_ends_with_the_first_defect(rig: EngineRig) -> None:
    broken = (await rig.start(await rig.make_agent())).run
    await rig.documents.commit([Update(plan_path(broken.id, 0), {"text": "?"})])
    await rig.documents.commit([Update(run_path(broken.id), {"next_sweep_at": rig.clock.now() - timedelta(seconds=1)})])
    with pytest.raises(ValueError, match="Invalid JSON"):
        await sweep_runs(rig.core, LEASE_SECONDS)
