"""Nodes that wait for the same have one counter, and each of them starts once, wherever a process dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from shared.domain.states import RunState
from shared.domain.writes import Write
from shared.ports.documents import Committed
from shared.ports.task_queue import NodeTask
from shared.usecases.nodes.find_lost import find_lost
from tests.support.engine_rig import EngineRig
from tests.support.failing_documents import FailingDocuments, Fate


def echo(value: Any, *after: str, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, "after": list(after), **more}


def layer(name: str, before: str = "") -> dict[str, Any]:
    return {f"{name}{n}": echo(n, *(f"{before}{m}" for m in range(3) if before)) for n in range(3)}


GRID = {**layer("a"), **layer("b", "a"), **layer("c", "b")}
"""Each node of a layer waits for all of the layer before."""


WIDE = {
    "each": {
        "kind": "map",
        "over": "{{ input.items }}",
        "body": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ item }}"}},
    },
    "list": {"kind": "join", "after": ["each"]},
    "text": {"kind": "join", "after": ["each"], "reducer": "text"},
}


class CountingCounters(FailingDocuments):
    """Counts the writes of each counter."""

    def __init__(self, rig: EngineRig) -> None:
        super().__init__(rig.documents, lambda _: Fate.APPLIED)
        self.counters: Counter[str] = Counter()

    async def commit(self, writes: Sequence[Write]) -> Committed:
        self.counters.update(write.path.partition("/joins/")[2] for write in writes if "/joins/" in write.path)
        return await super().commit(writes)


async def execute(nodes: Any, **request: Any) -> tuple[EngineRig, Any, Counter[str]]:
    rig = EngineRig()
    run_id = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}), **request)).run.id
    documents = CountingCounters(rig)
    await rig.queue.drain(lambda task: rig.deliver(task, documents))
    return rig, run_id, documents.counters


async def test_each_node_of_a_layer_counts_once_for_all_of_the_next_layer() -> None:
    rig, run_id, counters = await execute(GRID)
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED
    assert counters == {"b0~0": 3, "c0~0": 3, "$end~0": 3}
    assert set(rig.toolbox.calls.values()) == {1}
    assert len(rig.toolbox.calls) == len(GRID)


async def test_nodes_that_wait_for_other_ends_of_the_same_nodes_count_by_themselves() -> None:
    def fail(_: Any) -> Any:
        raise ValueError("it broke")

    rig = EngineRig()
    rig.toolbox.tools["fail"] = fail
    nodes = {
        "a": echo(1),
        "b": {**echo(2), "tool": "fail"},
        "both": echo("both", "a", "b"),
        "else": echo("else", "a", "b.failed"),
        "also": echo("also", "b.failed", "a"),
        "one": {"kind": "join", "policy": "any", "after": ["a", "b"]},
    }
    run_id = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}))).run.id
    documents = CountingCounters(rig)
    await rig.queue.drain(lambda task: rig.deliver(task, documents))
    states = {name: (await rig.node(run_id, f"{name}~0")).state.value for name in ("both", "else", "also", "one")}
    assert states == {"both": "skipped", "else": "succeeded", "also": "succeeded", "one": "succeeded"}
    assert {name: n for name, n in documents.counters.items() if name != "$end~0"} == {
        "both~0": 2,
        "else~0": 2,
        "one~0": 2,
    }


async def test_two_that_wait_for_a_wide_map_share_its_shards() -> None:
    rig, run_id, counters = await execute(WIDE, input={"items": list(range(60))})
    assert await rig.output(run_id) == {"list": list(range(60)), "text": "\n\n".join(map(str, range(60)))}
    shards = {name: n for name, n in counters.items() if name.startswith("list~0.each.") and not name.endswith(".done")}
    assert sum(shards.values()) == 60
    assert counters["list~0"] == 1 + len(shards)
    assert not [name for name in counters if name.startswith("text~0")]


@pytest.mark.parametrize(
    ("nodes", "items", "waiting"),
    [
        pytest.param(GRID, [], {"b0~0", "b1~0", "b2~0"}, id="a layer"),
        pytest.param(WIDE, list(range(60)), {"list~0", "text~0"}, id="shards"),
        pytest.param(WIDE, list(range(3)), {"list~0", "text~0"}, id="items of a map"),
    ],
)
async def test_the_sweeper_finds_all_that_share_a_counter(nodes: Any, items: list[int], waiting: set[str]) -> None:
    rig = EngineRig()
    agent = await rig.make_agent(type="graph", graph={"nodes": nodes})
    run_id = (await rig.start(agent, input={"items": items})).run.id

    async def deliver(task: NodeTask) -> bool:
        return task.instance in waiting or await rig.deliver(task)  # what wakes them is lost

    await rig.queue.drain(deliver)
    assert set((await find_lost(rig.core, run_id, rig.clock.now())).instances) == waiting
    await rig.work(run_id)
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_wakes_all_that_share_a_counter(fate: Fate) -> None:
    for at in range(2 * len(GRID) + 2):
        rig = EngineRig()
        run_id = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": GRID}))).run.id

        def fate_of(n: int, at: int = at) -> Fate:
            return fate if n == at else Fate.APPLIED

        await rig.work(run_id, FailingDocuments(rig.documents, fate_of))
        assert (await rig.run(run_id)).state is RunState.SUCCEEDED, f"commit {at}"
        assert await rig.output(run_id) == {"c0": 0, "c1": 1, "c2": 2}
        assert len(rig.toolbox.calls) == len(GRID)
        assert sum(rig.toolbox.calls.values()) <= len(GRID) + (fate in {Fate.DIES_BEFORE, Fate.DIES_AFTER}), (
            f"commit {at}"
        )
