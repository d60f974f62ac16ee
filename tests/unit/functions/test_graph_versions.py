"""A graph becomes a version only if nothing is seen that is wrong with it: whichever way it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.in_process import Deployment, deployed

SAY: dict[str, Any] = {"kind": "agent", "prompt": "Hm."}
LONG: dict[str, Any] = {"kind": "branch", "cases": {"long": "say.output > 3"}}
EACH: dict[str, Any] = {"kind": "map", "over": "{{ input.words }}", "max_items": 99, "body": SAY}
WAYS = ("create", "update", "publish", "publish a draft", "import")


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed(most_node_runs=50) as deployment:
        yield deployment


def asking(agent: str, **more: Any) -> dict[str, Any]:
    return {"kind": "agent", "agent": {"id": agent}, **more}


def graph(**nodes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "helper", "model": "local:extractive", "type": "graph", "graph": {"nodes": {"say": SAY, **nodes}}}


async def come(here: Deployment, way: str, agent: str, raw: dict[str, Any], *, refused: bool) -> list[tuple[str, str]]:
    """What is told of a definition that somebody tries to make a version of an agent, or a new one."""
    path, status = f"/agents/{agent}", 400 if refused else 201
    match way:
        case "create":
            answer = await here.ask("POST", "/agents", status, json={**raw, "name": "new"})
        case "update":
            answer = await here.ask("PUT", path, 400 if refused else 200, json=raw)
        case "publish":
            answer = await here.ask("POST", f"{path}/versions", status, json={"definition": raw})
        case "publish a draft":
            await here.ask("PUT", f"{path}?draft=true", json=raw)
            answer = await here.ask("POST", f"{path}/versions", status, json={})
            if refused:
                await here.ask("DELETE", f"{path}?draft=true", 204)
        case _:
            by_name = {"on_conflict": "version"}
            answer = await here.ask("POST", "/agents/import", status, params=by_name, json=raw)
    found = answer.json().get("faults", [])
    return [(fault["path"].removeprefix("graph.nodes."), fault["reason"].partition(":")[0]) for fault in found]


@pytest.mark.parametrize("way", WAYS)
async def test_no_version_is_made_of_a_graph_with_faults(here: Deployment, way: str) -> None:
    agent = (await here.make())["id"]
    writer = (await here.make(name="writer"))["id"]
    foreign = (await here.make("bob", name="foreign"))["id"]
    unfit = "does not fit the types of what it compares"
    cases: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
        (graph(x=LONG), [("x.cases.long", unfit)]),
        (graph(x={**LONG, "cases": {"long": "say.output =="}}), [("x.cases.long", "is no condition of CEL")]),
        (
            graph(x=LONG, y=asking(foreign)),
            [("x.cases.long", unfit), ("y.agent.id", f"there is no agent '{foreign}' that you may run")],
        ),
        (
            graph(x=asking(writer, input={"topic": "x"}), y={**SAY, "prompt": "{{ x.output.title }}"}),
            [
                ("x.input", "is read by the agent's prompt as {{ input.text }}, and 'input' has no 'text'"),
                ("y.prompt", "'x.output' is text, and has no 'title'"),
            ],
        ),
        (graph(x=EACH), [("x", "a run may come to 102 node runs, 100 of them here, and 50 are the most")]),
        (
            graph(x={**SAY, "after": ["y"]}, y={**SAY, "after": ["x"]}),
            [("graph.nodes", "the nodes wait for each other")],
        ),
    ]
    for raw, told in cases:
        assert await come(here, way, agent, raw, refused=True) == told
    versions = (await here.ask("GET", f"/agents/{agent}/versions")).json()["items"]
    assert [one["number"] for one in versions] == [1]
    assert [one["name"] for one in (await here.ask("GET", "/users/me/agents")).json()["items"]] == [
        "writer",
        "helper",
    ]


@pytest.mark.parametrize("way", WAYS)
async def test_of_a_graph_without_faults_a_version_is_made(here: Deployment, way: str) -> None:
    agent = (await here.make())["id"]
    fine = graph(x={**LONG, "cases": {"long": "size(say.output) > 3"}}, y={**EACH, "max_items": 9})
    assert await come(here, way, agent, fine, refused=False) == []
