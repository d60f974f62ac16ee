"""How a run is followed, one stream for each thing: what comes late on one of them is not missed."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from scripts.local.listener import Listener, One, Owned, Reader
from scripts.local.watch import RunWatch

NODES = "runs/r/nodes"
ENDED = {"a~0": {"state": "succeeded", "output_json": '"one"'}}


class Streams:
    """A listener whose streams tell what the test says, when it says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open: list[tuple[str, Reader]] = []

    def subscribe(self, wanted: One | Owned, reader: Reader) -> Any:
        self.asked.append(wanted.path)
        self.open.append((wanted.path, reader))
        return self.open[-1]

    def unsubscribe(self, subscription: Any) -> None:
        self.open.remove(subscription)

    def tell(self, path: str, documents: dict[str, dict[str, Any]]) -> None:
        (reader,) = [reader for opened, reader in self.open if opened == path]
        reader.take(path, documents)


async def test_a_run_is_whole_only_with_the_nodes_that_there_were_when_it_had_ended() -> None:
    streams = Streams()
    async with RunWatch(cast("Listener", streams), "r", "ann") as watch:
        changes = watch.changes()
        streams.tell(NODES, ENDED)
        streams.tell("runs/r", {"r": {"shape": "graph", "state": "running"}})
        assert not (await anext(changes)).whole
        streams.tell("runs/r", {"r": {"shape": "graph", "state": "succeeded"}})
        view = await anext(changes)
        assert (view.state, view.whole, list(view.nodes)) == ("succeeded", False, ["a~0"])
        assert [path for path, _ in streams.open] == ["runs/r", NODES]
        assert streams.asked == ["runs/r", NODES, NODES], "the nodes are asked for anew"
        streams.tell("runs/r", {"r": {"shape": "graph", "state": "succeeded", "usage": {}}})
        assert not (await anext(changes)).whole
        streams.tell(NODES, ENDED | {"b~0": {"state": "succeeded", "output_json": '"two"'}})
        view = await anext(changes)
        assert (view.whole, {instance: node.text for instance, node in view.nodes.items()}) == (
            True,
            {"a~0": "one", "b~0": "two"},
        )
        async with asyncio.timeout(1):
            assert [view async for view in changes] == []


async def test_whoever_is_slow_to_look_is_shown_the_whole_run_all_the_same() -> None:
    streams = Streams()
    async with RunWatch(cast("Listener", streams), "r", "ann") as watch:
        changes = watch.changes()
        streams.tell("runs/r", {"r": {"state": "running"}})
        await anext(changes)
        streams.tell("runs/r", {"r": {"state": "succeeded"}})
        streams.tell(NODES, ENDED)
        assert [view.whole async for view in changes] == [True]


async def test_a_run_that_is_no_graph_ends_with_its_one_node_which_is_not_asked_for_anew() -> None:
    streams = Streams()
    async with RunWatch(cast("Listener", streams), "r", "ann") as watch:
        streams.tell(NODES, ENDED)
        streams.tell("runs/r", {"r": {"shape": "single", "state": "succeeded"}})
        assert [view.whole async for view in watch.changes()] == [True]
        assert streams.asked == ["runs/r", NODES]
