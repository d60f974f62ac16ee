"""LangGraph with its Postgres checkpointer: a graph is one object, whose nodes run in this process."""

from __future__ import annotations

import asyncio
import operator
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from scripts.local.bench_shapes import WIDE
from scripts.local.peers.postgres import postgres
from scripts.local.peers.serving import Work, serve

_CONNECTIONS = 10


class State(TypedDict):
    """What the nodes share: what each came to."""

    done: Annotated[list[int], operator.add]


def build(layers: Sequence[int], url: str | None, work: Work) -> StateGraph[State]:
    """A graph of these layers; a wide one is a fan-out by `Send`."""
    builder = StateGraph(State)

    async def node(_state: State) -> dict[str, list[int]]:
        return {"done": [await work(url)]}

    before: list[str] = [START]
    for number, width in enumerate(layers):
        names = [f"layer{number}"] if width > WIDE else [f"node{number}_{place}" for place in range(width)]
        for name in names:
            builder.add_node(name, node)
            if width > WIDE:
                builder.add_conditional_edges(before[0], _fan(name, width), [name])
            elif before == [START]:
                builder.add_edge(START, name)
            else:
                builder.add_edge(before, name)
        before = names
    builder.add_edge(before, END)
    return builder


def _fan(name: str, width: int) -> Any:
    def fan(_state: State) -> list[Send]:
        return [Send(name, {"done": []}) for _ in range(width)]

    return fan


async def main() -> None:
    """Serve."""
    work = Work()
    options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    with postgres() as address:
        pool = AsyncConnectionPool[AsyncConnection[DictRow]](
            address, min_size=_CONNECTIONS, max_size=_CONNECTIONS, kwargs=options, open=False
        )
        async with pool:
            saver = AsyncPostgresSaver(pool)
            await saver.setup()

            async def execute(layers: Sequence[int], url: str | None) -> None:
                graph = build(layers, url, work).compile(checkpointer=saver)
                thread = {"configurable": {"thread_id": uuid.uuid4().hex}, "recursion_limit": len(layers) + 10}
                # "sync": what a step did is stored before the next begins, as with the others.
                ended = await graph.ainvoke({"done": []}, thread, durability="sync")
                if len(ended["done"]) != sum(layers):
                    raise RuntimeError(f"{len(ended['done'])} of {sum(layers)} nodes ran")

            await serve({"LangGraph": execute})


if __name__ == "__main__":
    asyncio.run(main())
