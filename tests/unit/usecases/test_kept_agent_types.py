"""What kept agents take and give, as it is known when a graph that refers to them becomes a version, or a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.adapters.cel.conditions import CelConditions
from shared.domain.agents import Proposal
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import InvalidArgument
from shared.domain.ids import AgentId
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from tests.support.sharing_rig import OWNER, SharingRig

WRITER = {"name": "writer", "model": "local:scripted", "prompt": "Write about {{ input.text }}"}
SINGER: dict[str, Any] = {
    **WRITER,
    "name": "singer",
    "prompt": "Sing of {{ input.topic }}",
    "input_schema": {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]},
}


@pytest.fixture
def here() -> SharingRig:
    return SharingRig()


def shelf(here: SharingRig) -> Shelf:
    return Shelf(here.documents, here.rig.clock, here.rig.ids, conditions=CelConditions())


async def make(here: SharingRig, raw: dict[str, Any]) -> AgentId:
    agent, _ = await create_agent(shelf(here), OWNER, Proposal(parse_definition(raw), raw))
    return agent.id


def calling(agent: AgentId, given: Any) -> dict[str, Any]:
    """A graph that runs a kept agent."""
    nodes = {"ask": {"kind": "agent", "agent": {"id": agent}, "input": given}}
    return {"name": "caller", "model": "local:scripted", "type": "graph", "graph": {"nodes": nodes}}


async def test_all_that_does_not_fit_what_a_reference_means_now_is_told_before_there_is_a_version(
    here: SharingRig,
) -> None:
    writer, singer = await make(here, WRITER), await make(here, SINGER)
    raw = calling(singer, {"topic": "{{ list.output }}"})
    raw["graph"]["nodes"] |= {
        "say": {"kind": "agent", "agent": {"id": writer}},
        "list": {"kind": "join", "after": ["say"]},
        "size": {"kind": "branch", "cases": {"long": "say.output > 3"}},
        "each": {"kind": "map", "over": "{{ say.output }}", "max_items": 9, "body": {"kind": "agent", "prompt": "Hm"}},
    }
    judging = replace(shelf(here), most_node_runs=5)
    with pytest.raises(InvalidArgument) as refusal:
        await create_agent(judging, OWNER, Proposal(parse_definition(raw), raw))
    assert [(fault.path, fault.reason) for fault in refusal.value.faults] == [
        ("graph.nodes.size.cases.long", refusal.value.faults[0].reason),
        ("graph.nodes.ask.input.topic", "must be text, and {{ list.output }} is a list"),
        ("graph.nodes.each.over", "must be a list, and {{ say.output }} is text"),
        ("graph.nodes.each", "a run may come to 15 node runs, 10 of them here, and 5 are the most"),
    ]
    assert refusal.value.faults[0].reason.startswith("does not fit the types of what it compares")


async def test_a_version_whose_reference_has_changed_runs_and_fails_where_it_does_not_fit(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    caller = await make(here, calling(writer, "of {{ input.text }}"))
    raw = {**SINGER, "name": "writer"}
    await update_agent(shelf(here), OWNER, writer, Proposal(parse_definition(raw), raw))
    started = await here.start(caller, "ann")
    await here.rig.drain()
    error = (await here.rig.run(started.run.id)).error
    assert error is not None
    assert "input.topic is missing" in error.message
