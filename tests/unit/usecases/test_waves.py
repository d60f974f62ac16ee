"""A wide map is set off in waves: a finished item begins the one a wave behind it, whatever was lost in between."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.ids import RunId
from shared.domain.nodes import NodeRun, nodes_path
from shared.domain.records import parse
from shared.domain.states import NodeState, RunState
from shared.ports.documents import Query
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.wide_maps import wide_map


def graph(items: int, **more: Any) -> dict[str, Any]:
    return {"type": "graph", "graph": {"nodes": wide_map(items, **more)}}


async def under_way(rig: EngineRig, items: int, delivered: int) -> RunId:
    """A run of a map of which so many tasks were delivered."""
    started = await rig.start(await rig.make_agent(**graph(items)))
    for _ in range(delivered):
        await rig.queue.deliver_next(rig.deliver)
    return started.run.id


def pending_items(rig: EngineRig) -> int:
    return sum(task.instance.startswith("each[") for task in rig.queue.pending)


@pytest.mark.parametrize(
    ("wave", "more", "expected"),
    [
        (4, {}, 4),
        (500, {"max_parallel": 3}, 3),
        (4, {"max_parallel": 9}, 4),
        (500, {}, 20),
        (500, {"places": 3}, 3),
        (4, {"places": 9}, 4),
        (500, {"max_parallel": 2, "places": 3}, 2),
    ],
)
async def test_never_more_items_than_a_wave_are_queued_and_all_are_done(
    wave: int, more: dict[str, int], expected: int
) -> None:
    rig = EngineRig(wave=wave)
    limits = dict(more)
    budget = {"parallel_nodes": limits.pop("places", None)}
    started = await rig.start(await rig.make_agent(**graph(20, **limits), budget=budget))
    most = 0
    while rig.queue.pending:
        most = max(most, pending_items(rig))
        await rig.queue.deliver_next(rig.deliver)
    assert most == expected
    assert await rig.output(started.run.id) == list(range(20))
    assert sum(rig.toolbox.calls.values()) == 21


async def test_a_deployment_that_changes_its_wave_in_the_middle_loses_no_item() -> None:
    rig = EngineRig(wave=3)
    run_id = await under_way(rig, 20, 4)
    rig.wave = 7
    await rig.drain()
    assert await rig.output(run_id) == list(range(20))


@pytest.mark.parametrize("lost", range(2, 12))
async def test_the_sweeper_finds_the_item_whose_task_was_lost(lost: int) -> None:
    rig = EngineRig(wave=2)
    run_id = await under_way(rig, 8, lost)
    if rig.queue.pending:
        rig.queue.lose_next()
    await rig.drain()
    for _ in range(3):
        await rig.clock.advance(61)
        await sweep_runs(rig.core, LEASE_SECONDS)
        await rig.drain()
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED
    assert await rig.output(run_id) == list(range(8))


async def test_a_failed_item_begins_the_next_too() -> None:
    def odd(args: Any) -> Any:
        if args["value"] == 1:
            raise ValueError("it broke")
        return args["value"]

    rig = EngineRig(wave=1)
    rig.toolbox.tools["odd"] = odd
    definition = graph(4)
    definition["graph"]["nodes"]["each"]["body"]["tool"] = "odd"
    started = await rig.start(await rig.make_agent(**definition))
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.FAILED
    assert [(await rig.node(started.run.id, f"each[{n}]~0")).state.value for n in range(4)] == [
        "succeeded",
        "failed",
        "succeeded",
        "succeeded",
    ]


@pytest.mark.parametrize("delivered", range(2, 12))
async def test_a_cancelled_run_ends_all_its_items_also_those_that_no_wave_has_begun(delivered: int) -> None:
    rig = EngineRig(wave=2)
    run_id = await under_way(rig, 8, delivered)
    done = sum(rig.toolbox.calls.values())
    await cancel_run(rig.core, ANN, run_id)
    await rig.work(run_id)
    assert (await rig.run(run_id)).state is RunState.CANCELLED
    nodes = [parse(NodeRun, one.fields or {}) for one in await rig.documents.query(Query(nodes_path(run_id)))]
    items = [node.state for node in nodes if node.index is not None]
    assert set(items) <= {NodeState.SUCCEEDED, NodeState.CANCELLED}
    assert items.count(NodeState.SUCCEEDED) == max(done - 1, 0), "what was done before it, beside the list"
    assert sum(rig.toolbox.calls.values()) == done
