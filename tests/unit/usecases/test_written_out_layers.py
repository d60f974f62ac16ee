"""A layer of nodes that are written out is enqueued in one call and counted in one commit, as wide as it may be."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.agents import version_path
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import InvalidArgument
from shared.domain.ids import AgentId
from shared.domain.plan_widths import MOST_IN_COMMIT
from shared.domain.records import to_json
from shared.domain.runs import WAVE
from shared.domain.states import RunState
from shared.domain.writes import Update
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, EngineRig

LIMITS = {"calls": 10_000, "tokens": 1_000_000, "parallel_nodes": WAVE}


def echo(value: Any, *after: str) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, "after": list(after)}


def layer(many: int, *after: str) -> dict[str, Any]:
    return {f"x{n}": echo(n, *after) for n in range(many)}


def pairs(many: int) -> dict[str, Any]:
    """So many nodes that wait for `a` and for one of as many others: each of them has a counter of its own."""
    return layer(many, "a") | {f"y{n}": echo(n, "a", f"x{n}") for n in range(many)}


WIDEST: dict[str, dict[str, Any]] = {
    "after one": {"a": echo("a"), **layer(WAVE, "a"), "all": {"kind": "join", "after": [f"x{n}" for n in range(WAVE)]}},
    "after two": {"a": echo("a"), "b": echo("b"), **layer(WAVE, "a", "b")},
    "first": layer(WAVE),
    "with counters of their own": {"a": echo("a"), **pairs(MOST_IN_COMMIT)},
}
TOO_WIDE = {"a": echo("a"), **layer(WAVE + 1, "a")}


@pytest.mark.parametrize("shape", WIDEST)
async def test_the_widest_layer_runs_through(shape: str) -> None:
    rig, nodes = EngineRig(), WIDEST[shape]
    started = await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}, budget=LIMITS))
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED
    assert sum(rig.toolbox.calls.values()) == sum(node["kind"] == "tool" for node in nodes.values())
    assert rig.defects == []


async def test_the_widest_first_layer_is_cancelled_before_anybody_has_begun_it() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent(type="graph", graph={"nodes": layer(WAVE)}))
    await cancel_run(rig.core, ANN, started.run.id)
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.CANCELLED
    assert not rig.toolbox.calls


async def test_a_first_layer_that_fits_into_a_commit_is_cancelled_at_once() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent(type="graph", graph={"nodes": layer(MOST_IN_COMMIT)}))
    assert (await cancel_run(rig.core, ANN, started.run.id)).state is RunState.CANCELLED


async def test_what_is_wider_is_refused_before_a_version_is_made_and_before_it_runs() -> None:
    rig = EngineRig()
    told = [("graph.nodes.a", "'a' sets off 501 nodes at once; at most 500")]
    with pytest.raises(InvalidArgument) as refused:
        await rig.make_agent(type="graph", graph={"nodes": TOO_WIDE})
    assert [(fault.path, fault.reason) for fault in refused.value.faults] == told
    definition = AgentDefinition.model_validate(
        {"name": "wide", "model": "local:scripted", "type": "graph", "graph": {"nodes": TOO_WIDE}}
    )
    with pytest.raises(InvalidArgument) as refused:
        await rig.start(definition=definition, shape="graph")
    assert [(fault.path, fault.reason) for fault in refused.value.faults] == told


async def test_a_version_that_was_made_when_it_might_be_wider_is_refused_before_it_runs() -> None:
    rig = EngineRig()
    agent: AgentId = await rig.make_agent(type="graph", graph={"nodes": {"a": echo("a")}})
    raw = {"name": "agent", "model": "local:scripted", "type": "graph", "graph": {"nodes": TOO_WIDE}}
    await rig.documents.commit([Update(version_path(agent, 1), {"definition_json": to_json(raw)})])
    with pytest.raises(InvalidArgument, match="cannot be run"):
        await rig.start(agent)
