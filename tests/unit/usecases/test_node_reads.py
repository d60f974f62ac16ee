"""What a node reads before it works: each document is billed, whatever it is good for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from shared.domain.errors import Unavailable
from shared.domain.ids import Instance, RunId
from shared.ports.documents import Snapshot
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.nodes.execute_node import execute_node
from tests.support.engine_rig import CountingToolbox, EngineRig
from tests.support.passing_time import in_time
from tests.support.slow_documents import SlowDocuments
from tests.support.watched_documents import WatchedDocuments

ECHO = {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ item }}"}}
CHAIN = {
    "a": {"kind": "tool", "tool": "echo", "arguments": {"value": 1}},
    "b": {"kind": "tool", "tool": "echo", "arguments": {"value": 2}, "after": ["a"]},
    "c": {"kind": "tool", "tool": "echo", "arguments": {"value": 3}, "after": ["b"]},
}
MAP = {"a": {"kind": "map", "over": "{{ input.items }}", "body": ECHO}}


@pytest.mark.parametrize(
    ("nodes", "before", "instance", "reads"),
    [(CHAIN, "a~0", "b~0", 2), (MAP, "a~0", "a[0]~0", 2)],
    ids=["the run and its predecessor", "the run and its map"],
)
async def test_a_tool_node_that_starts_reads(nodes: Any, before: str, instance: str, reads: int) -> None:
    rig = EngineRig()
    documents = WatchedDocuments(rig.documents)
    engine = rig.engine(documents)
    agent = await rig.make_agent(type="graph", graph={"nodes": nodes})
    run = (await rig.start(agent, input={"items": [7, 8]})).run.id
    await execute_node(engine, run, Instance(before))
    documents.reset()
    assert await execute_node(engine, run, Instance(instance)) is Acknowledgement.DONE
    assert documents.reads == reads


LARGE = [{"n": n, "text": "x" * 10_000} for n in range(60)]
SUBGRAPH = {
    "kind": "subgraph",
    "input": "{{ item.n }}",
    "graph": {"nodes": {"echo": {**ECHO, "arguments": {"value": 1}}}},
}


async def large_map(body: dict[str, Any]) -> tuple[EngineRig, RunId]:
    """A run of a map whose list is too large for a document, once the list is there."""
    rig = EngineRig()
    rig.toolbox.tools["list"] = lambda _: LARGE
    nodes = {
        "list": {"kind": "tool", "tool": "list"},
        "a": {"kind": "map", "over": "{{ list.output }}", "body": body, "max_items": len(LARGE)},
    }
    run = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}))).run.id
    for _ in range(2):
        await rig.queue.deliver_next(rig.deliver)
    return rig, run


class Files(WatchedDocuments):
    """Counts how often each document of a file was read."""

    def __init__(self, rig: EngineRig) -> None:
        super().__init__(rig.documents)
        self.times = Counter[str]()

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        self.times.update(path for path in paths if "/artifacts/" in path)
        return await super().get_many(paths)


async def test_the_items_of_a_map_read_a_large_list_once_in_a_process_and_no_more_than_others_each() -> None:
    rig, run = await large_map(ECHO)
    documents = Files(rig)
    engine = rig.engine(documents)
    for index in range(len(LARGE)):
        await execute_node(engine, run, Instance(f"a[{index}]~0"))
    assert len(documents.times) > 2, "the version and its chunks"
    assert set(documents.times.values()) == {1}
    assert documents.reads <= 2 * len(LARGE) + len(documents.times)
    assert [await rig.output_of(run, f"a[{n}]~0") for n in range(len(LARGE))] == LARGE


async def test_items_that_begin_at_once_read_it_once_too() -> None:
    rig, run = await large_map(ECHO)
    documents = Files(rig)
    engine = rig.engine(SlowDocuments(documents, rig.clock))
    tasks = [execute_node(engine, run, Instance(f"a[{index}]~0")) for index in range(20)]
    await in_time(rig.clock, asyncio.gather(*tasks), 0.5)
    assert set(documents.times.values()) == {1}
    assert [await rig.output_of(run, f"a[{n}]~0") for n in range(20)] == LARGE[:20]


async def test_the_graphs_of_a_map_read_it_once_too() -> None:
    rig, run = await large_map(SUBGRAPH)
    documents = Files(rig)
    engine = rig.engine(documents)
    for index in range(len(LARGE)):
        await execute_node(engine, run, Instance(f"a.{index}.input~0"))
    assert set(documents.times.values()) == {1}
    assert [await rig.output_of(run, f"a.{n}.input~0") for n in range(len(LARGE))] == list(range(len(LARGE)))


async def test_a_list_that_could_not_be_read_is_read_again() -> None:
    rig, run = await large_map(ECHO)
    documents = Files(rig)
    engine = rig.engine(documents)
    documents.failure = Unavailable("the store is away")
    with pytest.raises(Unavailable):
        await execute_node(engine, run, Instance("a[0]~0"))
    documents.failure = None
    assert await execute_node(engine, run, Instance("a[0]~0")) is Acknowledgement.DONE
    assert await rig.output_of(run, "a[0]~0") == LARGE[0]


async def test_what_is_not_read_at_first_is_read_when_a_node_is_tried_again() -> None:
    def fail(_: Any) -> Any:
        raise Unavailable("the other side is down")

    rig = EngineRig(toolbox=CountingToolbox({"echo": fail}))
    once = {**CHAIN["a"], "retry": {"max_attempts": 2, "initial_seconds": 0}}
    run = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": {"a": once}}))).run.id
    await rig.drain()
    node = await rig.documents.get(f"runs/{run}/nodes/a~0")
    assert (node.fields["state"], node.fields["attempt"]) == ("failed", 2)
