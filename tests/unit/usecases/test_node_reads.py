"""What a node reads before it works: each document is billed, whatever it is good for."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import Unavailable
from shared.domain.ids import Instance
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.nodes.execute_node import execute_node
from tests.support.engine_rig import CountingToolbox, EngineRig
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


async def test_what_is_not_read_at_first_is_read_when_a_node_is_tried_again() -> None:
    def fail(_: Any) -> Any:
        raise Unavailable("the other side is down")

    rig = EngineRig(toolbox=CountingToolbox({"echo": fail}))
    once = {**CHAIN["a"], "retry": {"max_attempts": 2, "initial_seconds": 0}}
    run = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": {"a": once}}))).run.id
    await rig.drain()
    node = await rig.documents.get(f"runs/{run}/nodes/a~0")
    assert (node.fields["state"], node.fields["attempt"]) == ("failed", 2)
