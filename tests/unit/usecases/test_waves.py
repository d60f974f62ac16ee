"""A wide map is set off in waves: a finished item begins the one a wave behind it, whatever was lost in between."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.states import RunState
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import LEASE_SECONDS, EngineRig


def graph(items: int, **more: Any) -> dict[str, Any]:
    nodes: dict[str, Any] = {
        "list": {"kind": "tool", "tool": "echo", "arguments": {"value": list(range(items))}},
        "each": {
            "kind": "map",
            "over": "{{ list.output }}",
            "body": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ item }}"}},
            **more,
        },
        "all": {"kind": "join", "after": ["each"]},
    }
    return {"type": "graph", "graph": {"nodes": nodes}}


def pending_items(rig: EngineRig) -> int:
    return sum(task.instance.startswith("each[") for task in rig.queue.pending)


@pytest.mark.parametrize(
    ("wave", "more", "expected"),
    [(4, {}, 4), (500, {"max_parallel": 3}, 3), (4, {"max_parallel": 9}, 4), (500, {}, 20)],
)
async def test_never_more_items_than_a_wave_are_queued_and_all_are_done(
    wave: int, more: dict[str, int], expected: int
) -> None:
    rig = EngineRig(wave=wave)
    started = await rig.start(await rig.make_agent(**graph(20, **more)))
    most = 0
    while rig.queue.pending:
        most = max(most, pending_items(rig))
        await rig.queue.deliver_next(rig.deliver)
    assert most == expected
    assert await rig.output(started.run.id) == list(range(20))
    assert sum(rig.toolbox.calls.values()) == 21


async def test_a_deployment_that_changes_its_wave_in_the_middle_loses_no_item() -> None:
    rig = EngineRig(wave=3)
    started = await rig.start(await rig.make_agent(**graph(20)))
    for _ in range(4):
        await rig.queue.deliver_next(rig.deliver)
    rig.wave = 7
    await rig.drain()
    assert await rig.output(started.run.id) == list(range(20))


@pytest.mark.parametrize("lost", range(2, 12))
async def test_the_sweeper_finds_the_item_whose_task_was_lost(lost: int) -> None:
    rig = EngineRig(wave=2)
    started = await rig.start(await rig.make_agent(**graph(8)))
    for _ in range(lost):
        await rig.queue.deliver_next(rig.deliver)
    if rig.queue.pending:
        rig.queue.lose_next()
    await rig.drain()
    for _ in range(3):
        await rig.clock.advance(61)
        await sweep_runs(rig.core, LEASE_SECONDS)
        await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED
    assert await rig.output(started.run.id) == list(range(8))


async def test_a_failed_item_begins_the_next_too_and_a_cancelled_run_ends_them_all() -> None:
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
