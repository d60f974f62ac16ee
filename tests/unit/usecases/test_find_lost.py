"""What nobody was woken for is found with few reads, however wide a map is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.domain.ids import RunId, Token
from shared.domain.joins import SHARD_ABOVE
from shared.domain.states import RunState
from shared.ports.task_queue import NodeTask
from shared.usecases.nodes.find_lost import find_lost
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import LEASE_SECONDS, EngineRig
from tests.support.watched_documents import WatchedDocuments
from tests.support.wide_maps import wide_map

ITEMS = 2 * SHARD_ABOVE + 20
NODES = wide_map(ITEMS) | {
    "last": {"kind": "tool", "tool": "echo", "arguments": {"value": "done"}, "after": ["all"]},
}


async def until(rig: EngineRig, instance: str) -> RunId:
    """A run of a wide map whose next task is for `instance`, and is lost."""
    run = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": NODES}))).run
    while rig.queue.pending and rig.queue.pending[0].instance != instance:
        await rig.queue.deliver_next(rig.deliver)
    rig.queue.lose_next()
    return run.id


@pytest.mark.parametrize(("lost", "most"), [("all~0", 3), ("last~0", 2)])
async def test_a_map_that_is_done_costs_no_read_for_each_item(lost: str, most: int) -> None:
    rig = EngineRig()
    run_id = await until(rig, lost)
    watched = WatchedDocuments(rig.documents)
    rig.documents = watched
    found = await find_lost(rig.core, run_id, rig.clock.now())
    assert (found.instances, watched.round_trips) == ([lost], most)


@pytest.mark.parametrize("lost", ["each[7]~0", f"each[{ITEMS - 1}]~0", "all~0", "last~0"])
async def test_whatever_task_of_a_wide_map_is_lost_is_found(lost: str) -> None:
    rig = EngineRig()
    run_id = await until(rig, lost)
    await rig.drain()
    await rig.clock.advance(61)
    assert (await sweep_runs(rig.core, LEASE_SECONDS)).tasks == 1
    await rig.drain()
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED


async def test_silent_leases_are_handed_on_in_one_call() -> None:
    rig = EngineRig()
    agent = await rig.make_agent()
    for _ in range(3):
        await rig.start(agent, claim=Token(rig.ids.new()))
    calls: list[int] = []
    enqueue = rig.queue.enqueue

    async def counted(tasks: Sequence[NodeTask]) -> None:
        calls.append(len(tasks))
        await enqueue(tasks)

    rig.queue.enqueue = counted
    await rig.clock.advance(LEASE_SECONDS + 1)
    assert (await sweep_runs(rig.core, LEASE_SECONDS)).leases == 3
    assert calls == [3]
