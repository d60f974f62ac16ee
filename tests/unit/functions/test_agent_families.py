"""Agents over HTTP as archives, with the agents that their graphs refer to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.archives import AGENT, files_of, zip_of
from tests.support.in_process import Deployment, deployed

ZIP = {"Content-Type": "application/zip"}


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


def says(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": {"provider": "local", "model": "scripted", "script": [{"chunks": [text]}]}, **fields}


def asks(*agents: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A graph that asks one agent after the other, and answers with what all of them said."""
    nodes: dict[str, Any] = {f"n{n}": {"kind": "agent", "agent": agent} for n, agent in enumerate(agents)}
    nodes["all"] = {"kind": "join", "after": list(nodes)}
    return {"name": "chain", "model": "local:extractive", "type": "graph", "graph": {"nodes": nodes}, **fields}


async def export(here: Deployment, agent: str, by: str = "ada", status: int = 200) -> bytes:
    return (await here.ask("GET", f"/agents/{agent}/export?format=zip", status, by)).content


async def bring(here: Deployment, archive: bytes, status: int = 201, by: str = "bob", **query: str) -> dict[str, Any]:
    return (await here.ask("POST", "/agents/import", status, by, content=archive, headers=ZIP, params=query)).json()


async def family(here: Deployment) -> tuple[str, str, bytes]:
    """A graph that asks the first version of one agent, the latest of another, and a graph that asks the first, too."""
    one = (await here.make(name="one", **says("old one")))["id"]
    await here.ask("PUT", f"/agents/{one}", json={"name": "one", **says("new one")})
    two = (await here.make(name="two", **says("two"), permissions={"public": True}))["id"]
    inner = (await here.make(**asks({"id": one}, name="inner")))["id"]
    pinned = {"id": one, "version": 1}
    chain = (await here.make(**asks(pinned, {"id": two}, {"id": inner, "version": "latest"}, {"id": "main"})))["id"]
    return one, chain, await export(here, chain)


async def test_a_graph_goes_elsewhere_with_the_agents_that_it_asks(here: Deployment) -> None:
    _, _, archive = await family(here)
    files = files_of(archive)
    assert list(files) == ["agent.yaml", "agents/inner.yaml", "agents/one.yaml", "agents/one_2.yaml", "agents/two.yaml"]
    assert b"old one" in files["agents/one.yaml"]
    assert b"new one" in files["agents/one_2.yaml"]
    assert b"permissions" not in files["agents/two.yaml"]
    assert b"id: one_2\n" in files["agents/inner.yaml"]
    for reference in (
        b"id: one\n        version: 1\n",
        b"id: two\n",
        b"id: inner\n        version: 1\n",
        b"id: main\n",
    ):
        assert reference in files["agent.yaml"]
    made = await bring(here, archive)
    assert set(made["imported_agents"]) == {"inner", "one", "one_2", "two"}
    mine = {one["name"]: one["id"] for one in (await here.ask("GET", "/users/me/agents", by="bob")).json()["items"]}
    assert mine == {**made["imported_agents"], "chain": made["id"]}
    run = await here.run("bob", agent_id=made["id"], input="The forge is hot. What is hot?")
    assert run["state"] == "succeeded", run
    assert run["output"][:3] == ["old one", "two", ["new one"]]
    assert await export(here, made["id"], "bob") == archive


async def test_agents_in_bodies_fallbacks_and_subgraphs_come_along(here: Deployment) -> None:
    names = ("body", "fallback", "below")
    ids = {name: (await here.make(name=name, **says(name)))["id"] for name in names}

    def kept(name: str) -> dict[str, Any]:
        return {"kind": "agent", "agent": {"id": ids[name]}}

    nodes: dict[str, Any] = {
        "list": {"kind": "tool", "tool": "find", "fallback": kept("fallback")},
        "each": {"kind": "map", "over": "{{ input.items }}", "body": kept("body")},
        "inside": {"kind": "subgraph", "graph": {"nodes": {"a": kept("below")}}},
    }
    graph = await here.make(name="chain", type="graph", graph={"nodes": nodes})
    archive = await export(here, graph["id"])
    assert list(files_of(archive)) == ["agent.yaml", *(f"agents/{name}.yaml" for name in sorted(names))]
    made = await bring(here, archive)
    assert set(made["imported_agents"]) == set(names)
    assert not any(one.encode() in archive for one in ids.values())


async def test_an_agent_that_one_may_not_see_is_left_out_and_refused_elsewhere(here: Deployment) -> None:
    one, chain, _ = await family(here)
    await here.ask("POST", f"/agents/{chain}/grants", 201, json={"grantee": "bob", "permission": "view"})
    archive = await export(here, chain, "bob")
    assert list(files_of(archive)) == ["agent.yaml", "agents/two.yaml"]
    assert one.encode() in archive
    refused = await bring(here, archive, 400)
    assert {fault["path"] for fault in refused["faults"]} == {"graph.nodes.n0.agent.id", "graph.nodes.n2.agent.id"}


async def test_agents_that_are_there_already_are_used_and_others_are_not_touched(here: Deployment) -> None:
    _, _, archive = await family(here)
    first = await bring(here, archive)
    await here.ask("DELETE", f"/agents/{first['id']}", 204, "bob")
    again = await bring(here, archive)
    assert again["imported_agents"] == first["imported_agents"]
    await here.ask("DELETE", f"/agents/{again['id']}", 204, "bob")
    other = {"name": "two", **says("another two")}
    await here.ask("PUT", f"/agents/{first['imported_agents']['two']}", by="bob", json=other)
    stored = list(here.rig.documents.paths)
    refused = await bring(here, archive, 409)
    assert refused["detail"] == "You have an agent named 'two' already, which says something else."
    assert here.rig.documents.paths == stored
    renamed = await bring(here, archive, on_conflict="rename")
    assert renamed["imported_agents"] != first["imported_agents"]
    assert {**renamed["imported_agents"], "two": ""} == {**first["imported_agents"], "two": ""}
    await here.ask("DELETE", f"/agents/{renamed['id']}", 204, "bob")
    added = await bring(here, archive, on_conflict="version")
    assert added["imported_agents"] == first["imported_agents"]
    two = (await here.ask("GET", f"/agents/{first['imported_agents']['two']}", by="bob")).json()
    assert (two["head"], two["definition"]["model"]["script"]) == (3, [{"chunks": ["two"]}])


GRAPH = "model: local:extractive\ntype: graph\ngraph: {{nodes: {{ask: {{kind: agent, agent: {{id: {}}}}}}}}}\n"


def chain(name: str, to: str) -> bytes:
    return f"name: {name}\n{GRAPH.format(to)}".encode()


@pytest.mark.parametrize(
    ("files", "path", "reason"),
    [
        (
            {"agent.yaml": chain("a", "b"), "agents/b.yaml": chain("b", "c"), "agents/c.yaml": chain("c", "b")},
            "agents",
            "refer to each other in a circle: b → c → b",
        ),
        (
            {"agent.yaml": chain("a", "b"), "agents/b.yaml": chain("b", "b")},
            "agents",
            "refer to each other in a circle: b → b",
        ),
        ({"agent.yaml": chain("a", "b"), "agents/b.yaml": chain("b", "c")}, "graph.nodes.ask.agent.id", "'c'"),
        ({"agent.yaml": AGENT, "agents/b.yaml": chain("b", "b")}, "agents", "in a circle"),
    ],
)
async def test_agents_that_lead_nowhere_are_refused(
    here: Deployment, files: dict[str, bytes], path: str, reason: str
) -> None:
    refused = await bring(here, zip_of(files), 400)
    assert [one["path"] for one in refused["faults"] if reason in one["reason"]] == [path], refused
    assert (await here.ask("GET", "/users/me/agents", by="bob")).json()["items"] == []


async def circle(here: Deployment) -> tuple[str, str]:
    """An agent that asks another one, and the other one, which does not ask it yet."""
    one = (await here.make(name="one"))["id"]
    return one, (await here.make(**asks({"id": one}, name="two")))["id"]


@pytest.mark.parametrize("version", [{}, {"version": "latest"}])
@pytest.mark.parametrize("how", ["put", "publish", "draft", "import"])
@pytest.mark.parametrize("asked", ["other", "itself"])
async def test_a_save_that_closes_a_circle_is_refused(
    here: Deployment, asked: str, how: str, version: dict[str, str]
) -> None:
    one, two = await circle(here)
    raw = asks({"id": "main"}, {"id": {"other": two, "itself": one}[asked], **version}, name="one")
    match how:
        case "put":
            refused = await here.ask("PUT", f"/agents/{one}", 400, json=raw)
        case "publish":
            refused = await here.ask("POST", f"/agents/{one}/versions", 400, json={"definition": raw})
        case "draft":
            await here.ask("PUT", f"/agents/{one}?draft=true", json=raw)
            refused = await here.ask("POST", f"/agents/{one}/versions", 400, json={})
        case _:
            refused = await here.ask("POST", "/agents/import", 400, params={"on_conflict": "version"}, json=raw)
    chain = {"other": (one, two, one), "itself": (one, one)}[asked]
    told = [(fault["path"], fault["reason"]) for fault in refused.json()["faults"]]
    assert told == [("graph.nodes.n1.agent.id", f"the agents run each other: {' → '.join(chain)}")]
    assert (await here.ask("GET", f"/agents/{one}")).json()["head"] == 1


async def test_a_circle_over_many_is_told_once_for_each_node_that_leads_into_it(here: Deployment) -> None:
    one, two = await circle(here)
    three = (await here.make(**asks({"id": two}, {"id": one}, name="three")))["id"]
    raw = asks(*[{"id": three}] * 200, name="one")
    refused = (await here.ask("PUT", f"/agents/{one}", 400, json=raw)).json()
    assert {fault["reason"] for fault in refused["faults"]} == {f"the agents run each other: {one} → {three} → {one}"}
    assert len(refused["faults"]) == 200


async def test_an_agent_may_ask_a_version_of_its_own_that_asks_nobody(here: Deployment) -> None:
    one, _ = await circle(here)
    await here.ask("PUT", f"/agents/{one}/aliases/first", json={"version": 1})
    changed = await here.ask("PUT", f"/agents/{one}", json=asks({"id": one, "version": 1}, name="one"))
    assert changed.json()["head"] == 2
    by_alias = asks({"id": one, "version": "first"}, name="one")
    assert (await here.ask("PUT", f"/agents/{one}", json=by_alias)).json()["head"] == 3
    assert (await here.run(agent_id=one, input="The forge is hot. What is hot?"))["state"] == "succeeded"


async def test_an_alias_does_not_move_where_agents_would_come_to_run_each_other(here: Deployment) -> None:
    one = (await here.make(name="one"))["id"]
    await here.ask("PUT", f"/agents/{one}/aliases/prod", json={"version": 1})
    two = (await here.make(**asks({"id": one, "version": "prod"}, name="two")))["id"]
    await here.ask("PUT", f"/agents/{one}", json=asks({"id": two}, name="one"))
    refused = (await here.ask("PUT", f"/agents/{one}/aliases/prod", 400, json={"version": 2})).json()
    assert [fault["reason"] for fault in refused["faults"]] == [f"the agents run each other: {one} → {two} → {one}"]


async def brought_back_into_a_circle(here: Deployment, nodes: int = 1) -> tuple[str, str]:
    """Two graphs that ask each other since one of them was restored: no save and no alias closed the circle."""
    one = (await here.make(name="one"))["id"]
    await here.ask("PUT", f"/agents/{one}/aliases/prod", json={"version": 1})
    two = (await here.make(**asks(*[{"id": one, "version": "prod"}] * nodes, name="two")))["id"]
    await here.ask("PUT", f"/agents/{one}", json=asks(*[{"id": two}] * nodes, name="one"))
    await here.ask("DELETE", f"/agents/{two}", 204)
    await here.ask("PUT", f"/agents/{one}/aliases/prod", json={"version": 2})
    await here.ask("POST", f"/agents/{two}/restore")
    return one, two


async def test_agents_that_came_to_refer_to_each_other_are_neither_exported_nor_run(here: Deployment) -> None:
    one, two = await brought_back_into_a_circle(here)
    refused = await here.ask("GET", f"/agents/{one}/export?format=zip", 400)
    assert "in a circle" in refused.json()["detail"]
    for agent in (one, two):
        run = await here.ask("POST", "/runs", 400, json={"agent_id": agent, "input": "hello"})
        assert any("the agents run each other" in fault["reason"] for fault in run.json()["faults"])


async def test_a_draft_that_closes_a_circle_is_kept_and_not_run(here: Deployment) -> None:
    one = (await here.make(name="one"))["id"]
    draft = await here.ask("PUT", f"/agents/{one}?draft=true", json={"name": "one", "model": "local:extractive"})
    two = (await here.make(**asks({"id": one, "version": "draft"}, name="two")))["id"]
    seen = {"If-Match": draft.headers["etag"]}
    await here.ask("PUT", f"/agents/{one}?draft=true", json=asks({"id": two}, name="one"), headers=seen)
    for agent in ({"agent_id": one, "version": "draft"}, {"agent_id": two}):
        run = await here.ask("POST", "/runs", 400, json={**agent, "input": "hello"})
        assert any("the agents run each other" in fault["reason"] for fault in run.json()["faults"])


async def test_a_circle_of_many_nodes_is_refused_with_so_many_faults(here: Deployment) -> None:
    """Each of the one's nodes runs each of the other's, so their faults multiply."""
    one, _ = await brought_back_into_a_circle(here, nodes=20)
    refused = await here.ask("POST", "/runs", 400, json={"agent_id": one, "input": "hello"})
    assert 1 <= len(refused.json()["faults"]) <= 100
