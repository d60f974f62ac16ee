"""Graphs end to end: definitions that come with the request, kept agents, graphs within graphs, values in files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.people import sign_up
from tests.support.polling import comes_to

SAYING: dict[str, Any] = {"provider": "local", "model": "scripted", "script": [{"chunks": ["It rings."]}]}
CALC: dict[str, Any] = {"kind": "tool", "tool": "calculator"}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, status: int, body: dict[str, Any]) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_graph_of_the_request_runs_kept_agents_subgraphs_and_fallbacks(ada: httpx.AsyncClient) -> None:
    sounder = await post(ada, "/agents", 201, {"name": "sounder", "model": SAYING})
    inner = {"strike": {"kind": "agent", "agent": {"id": sounder["id"]}, "input": "{{ input.metal }}"}}
    broken = {**CALC, "arguments": {"expression": "1 +"}, "fallback": {**CALC, "arguments": {"expression": "2 + 2"}}}
    nodes = {
        "test": {"kind": "subgraph", "input": {"metal": "{{ input.text }}"}, "graph": {"nodes": inner}},
        "weigh": {**broken, "after": ["test"]},
        "all": {"kind": "join", "after": ["test", "weigh"]},
    }
    definition = {"name": "forge", "model": "local:extractive", "graph": {"nodes": nodes}}
    run = await comes_to(
        ada,
        await post(ada, "/workflows/graph", 202, {"definition": definition, "input": "iron"}),
        "succeeded",
        "failed",
    )
    assert run["output"] == ["It rings.", {"expression": "2 + 2", "result": "4", "exact": True}], run["error"]


async def test_a_graph_that_may_come_to_more_than_is_run_here_is_refused(ada: httpx.AsyncClient) -> None:
    first = {**CALC, "arguments": {"expression": "1"}}
    wide = {"kind": "map", "over": "{{ input.sums }}", "max_items": 10_000, "body": first}
    nodes = {"first": first, **{f"wide{n}": wide for n in range(10)}}
    definition = {"name": "wide", "model": "local:extractive", "graph": {"nodes": nodes}}
    told = await post(ada, "/workflows/graph", 400, {"definition": definition, "input": {"sums": []}})
    reason = "a run may come to 100,012 node runs, 10,001 of them here, and 100,000 are the most"
    assert [(fault["path"], fault["reason"]) for fault in told["faults"]] == [
        ("body.definition.graph.nodes.wide0", reason)
    ]


async def test_a_map_of_graphs_takes_each_item_through_its_own_nodes(ada: httpx.AsyncClient) -> None:
    inner = {
        "sum": {**CALC, "arguments": {"expression": "{{ input.sum }}"}},
        "twice": {**CALC, "arguments": {"expression": "2 * ({{ sum.output.result }})"}},
        "all": {"kind": "join", "after": ["sum", "twice"]},
    }
    body = {"kind": "subgraph", "input": {"sum": "{{ item }}"}, "graph": {"nodes": inner}}
    each = {"kind": "map", "over": "{{ input.sums }}", "max_items": 3, "body": body}
    definition = {"name": "twice", "model": "local:extractive", "graph": {"nodes": {"each": each}}}
    asked = {"definition": definition, "input": {"sums": ["1 + 1", "2 * 3"]}}
    run = await comes_to(ada, await post(ada, "/workflows/graph", 202, asked), "succeeded", "failed")
    assert run["state"] == "succeeded", run["error"]
    assert [[one["result"] for one in item] for item in run["output"]] == [["2", "4"], ["6", "12"]]
    found = (await ada.get(f"/runs/{run['id']}/nodes", params={"limit": 100})).json()["items"]
    states = {node["node"]: node["state"] for node in found}
    assert {name for name, state in states.items() if state == "skipped"} == {
        f"each.2{part}" for part in ("", ".input", ".sum", ".twice", ".all")
    }
    replay = {"from": "each.1.input", "input": {"sums": ["5", "3"]}}
    again = await comes_to(ada, await post(ada, f"/runs/{run['id']}/replay", 202, replay), "succeeded", "failed")
    assert [[one["result"] for one in item] for item in again["output"]] == [["2", "4"], ["6", "12"]]


async def test_single_agents_and_delegations_run_without_being_kept(ada: httpx.AsyncClient) -> None:
    alone = {"name": "alone", "model": SAYING}
    for shape, more in (("single", {}), ("delegation", {"agents": {"critic": {"description": "Judges."}}})):
        asked = {"definition": {**alone, **more}, "input": "Hm."}
        run = await comes_to(ada, await post(ada, f"/workflows/{shape}", 202, asked), "succeeded", "failed")
        assert (run["shape"], run["output"]) == (shape, "It rings.")


async def test_what_is_too_large_for_a_document_is_read_as_a_file(ada: httpx.AsyncClient) -> None:
    script = [{"chunks": ["0123456789" * 100], "repeat": 400}]
    definition = {"name": "writer", "model": {"provider": "local", "model": "scripted", "script": script}}
    began = await post(ada, "/workflows/single", 202, {"definition": definition, "input": "Write."})
    run = await comes_to(ada, began, "succeeded", "failed")
    assert run["state"] == "succeeded", run["error"]
    assert run["output"] is None
    file = run["output_file"]
    found = await ada.get(
        f"/sessions/{file['session_id']}/artifacts", params={"name": file["name"], "version": file["version"]}
    )
    assert (found.status_code, found.json()) == (200, "0123456789" * 40_000)


async def test_the_worst_case_of_a_graph_is_told_before_there_is_a_version(ada: httpx.AsyncClient) -> None:
    each = {
        "kind": "map",
        "over": "{{ input.pages }}",
        "body": {"kind": "agent", "prompt": "{{ item }}"},
        "max_items": 7,
    }
    raw: dict[str, Any] = {
        "name": "readers",
        "type": "graph",
        "model": "local:extractive",
        "graph": {"nodes": {"each": each}},
    }
    told = await post(ada, "/agents/validate", 200, raw)
    assert (told["valid"], told["bounds"]["node_runs"]) == (True, 9)
    made = await post(ada, "/agents", 201, raw)
    version = (await ada.get(f"/agents/{made['id']}/versions/1")).json()
    assert version["bounds"] == told["bounds"]
    raw["graph"]["nodes"]["size"] = {"kind": "branch", "cases": {"long": "input.pages >"}}
    told = await post(ada, "/agents/validate", 200, raw)
    assert [fault["path"] for fault in told["faults"]] == ["graph.nodes.size.cases.long"]
