"""Static agents beside the dynamic ones, and templates of which agents are made, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.in_process import Deployment, deployed

STATICS = ["main", "research", "developer"]
GREETER: dict[str, Any] = {
    "name": "greeter",
    "scope": "system",
    "parameters": {"type": "object", "properties": {"who": {"type": "string", "default": "Ada"}}},
    "model": {"provider": "local", "model": "scripted", "script": [{"chunks": ["Hello ${who}."]}]},
}


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


async def names(here: Deployment, query: str = "", by: str = "ada") -> list[str]:
    return [one["name"] for one in (await here.ask("GET", f"/agents{query}", by=by)).json()["items"]]


async def test_static_agents_stand_beside_ones_own(here: Deployment) -> None:
    assert await names(here) == STATICS
    await here.make()
    assert await names(here) == ["helper", *STATICS]
    assert await names(here, "?scope=user") == ["helper"]
    assert await names(here, "?type=dynamic") == ["helper"]
    assert await names(here, "?type=static") == STATICS
    await here.make(by="root", name="shared", scope="system")
    assert await names(here, "?scope=system") == ["shared", *STATICS]
    assert await names(here, "?name=main") == ["main"]
    await here.make(name="main")
    assert await names(here, "?name=main") == ["main", "main"]
    assert (await here.ask("GET", "/users/me/agents")).json()["items"][-1]["name"] == "helper"


async def test_pages_go_on_from_ones_own_to_the_static_ones(here: Deployment) -> None:
    for number in range(3):
        await here.make(name=f"agent_{number}")
    for limit in (1, 2, 3, 5, 6, 100):
        found: list[str] = []
        token = None
        while True:
            query = {"limit": limit, **({"page_token": token} if token else {})}
            page = (await here.ask("GET", "/agents", params=query)).json()
            assert len(page["items"]) <= limit
            found += [one["name"] for one in page["items"]]
            token = page["next_page_token"]
            if token is None:
                break
        assert found == ["agent_2", "agent_1", "agent_0", *STATICS]
    mixed = await here.ask("GET", "/agents", 400, params={"page_token": "nonsense"})
    assert mixed.json()["faults"][0]["path"] == "query.page_token"


async def test_a_static_agent_is_read_run_and_cloned_by_everybody_and_changed_by_nobody(here: Deployment) -> None:
    agent = (await here.ask("GET", "/agents/main")).json()
    assert (agent["type"], agent["scope"], agent["owner_uid"], agent["aliases"]) == (
        "static",
        "system",
        "fireloom",
        {"latest": 1},
    )
    assert [one["number"] for one in (await here.ask("GET", "/agents/main/versions")).json()["items"]] == [1]
    assert (await here.ask("GET", "/agents/main/versions/1")).json()["definition"] == agent["definition"]
    await here.ask("GET", "/agents/main/versions/2", 404)
    assert (await here.ask("GET", "/agents/main/export")).text.startswith("name: main\n")
    for by in ("ada", "root"):
        await here.ask("PUT", "/agents/main", 403, by=by, json=agent["definition"])
        await here.ask("PUT", "/agents/main?draft=true", 403, by=by, json=agent["definition"])
        await here.ask("PUT", "/agents/main/aliases/prod", 403, by=by, json={"version": 1})
        await here.ask("DELETE", "/agents/main", 403, by=by)
        await here.ask("POST", "/agents/main/restore", 403, by=by)
    clone = (await here.ask("POST", "/agents/main/clone", 201)).json()
    assert (clone["type"], clone["scope"], clone["owner_uid"], clone["name"]) == ("dynamic", "user", "ada", "main")
    assert (clone["provenance"]["agent_id"], clone["provenance"]["version"]) == ("main", 1)


async def test_a_static_agent_runs_without_a_document_of_its_own(here: Deployment) -> None:
    assert [path for path in here.rig.documents.paths if path.startswith("agents/")] == []
    text = "What is hot? The forge is hot."
    run = await here.run(agent_id="research", version=1, input=text)
    assert (run["state"], run["agent_id"], run["version"]) == ("succeeded", "research", 1), run
    started = await here.ask("POST", "/agents/main/execute", 202, json={"input": text})
    await here.rig.drain()
    executed = (await here.ask("GET", started.headers["location"])).json()
    assert (executed["state"], executed["agent_id"], executed["shape"]) == ("succeeded", "main", "delegation")
    session = (await here.ask("POST", "/sessions", 201, json={"agent_id": "developer"})).json()
    assert (await here.run(session_id=session["id"], input=text))["state"] == "succeeded"
    await here.ask("POST", "/runs", 404, json={"agent_id": "main", "version": 7, "input": text})
    await here.ask("POST", "/runs", 404, json={"agent_id": "main", "version": "draft", "input": text})
    await here.ask("POST", "/runs", 404, json={"agent_id": "nobody", "input": text})


async def test_templates_say_what_they_take(here: Deployment) -> None:
    items = (await here.ask("GET", "/templates")).json()["items"]
    assert [one["name"] for one in items] == ["basic", "research", "developer", "custom_workflow"]
    assert all(one["parameters"]["properties"]["model"]["default"] == "default" for one in items)
    detail = (await here.ask("GET", "/templates/basic")).json()
    assert detail["definition"]["system_prompt"] == "${instructions}"
    told = (await here.ask("GET", "/templates/basci", 404)).json()
    assert "'basic'" in told["detail"]
    await here.ask("GET", "/templates/not%20one", 404)
    await here.ask("GET", "/templates", 401, by="eve")


@pytest.mark.parametrize(
    ("template", "parameters"),
    [
        ("basic", {"instructions": "Be kind.", "tools": ["calculator"]}),
        ("research", {"field": "fire", "sources": 3}),
        ("developer", {"language": "Python"}),
        ("custom_workflow", {"files": "*.txt", "task": "Count the words.", "report": "words.md"}),
        ("basic", {}),
    ],
)
async def test_a_template_makes_an_agent_in_one_call(
    here: Deployment, template: str, parameters: dict[str, Any]
) -> None:
    made = await here.ask("POST", f"/templates/{template}/agents", 201, json={"parameters": parameters, "name": "mine"})
    agent = made.json()
    assert made.headers["location"] == f"/agents/{agent['id']}"
    assert (agent["name"], agent["type"], agent["is_template"], agent["head"]) == ("mine", "dynamic", False, 1)
    assert (agent["provenance"]["kind"], agent["provenance"]["agent_id"]) == ("template", None)
    assert "parameters" not in agent["definition"]
    assert "${" not in str(agent["definition"])
    run = await here.run(agent_id=agent["id"], input="What is hot? The forge is hot.")
    assert run["state"] == "succeeded" or template == "custom_workflow", run


async def test_parameters_that_do_not_fit_are_told(here: Deployment) -> None:
    path = "/templates/research/agents"
    told = (await here.ask("POST", path, 400, json={"parameters": {"sources": 0, "feild": "x"}})).json()
    assert {(one["path"], one["suggestion"]) for one in told["faults"]} == {
        ("parameters.sources", None),
        ("parameters.feild", "field"),
    }
    injected = (await here.ask("POST", path, 400, json={"parameters": {"field": "{{ ''.__class__ }}"}})).json()
    assert [one["path"] for one in injected["faults"]] == ["parameters.field"]
    unknown = (await here.ask("POST", "/templates/basic/agents", 400, json={"parameters": {"tools": ["greb"]}})).json()
    assert [(one["path"], one["suggestion"]) for one in unknown["faults"]] == [("tools.0", "grep")]
    await here.ask("POST", path, 400, json={"paramters": {}})
    await here.ask("POST", path, 400, content=b'{"name": "a", "name": "b"}')
    assert await names(here, "?scope=user") == []


async def test_agents_of_one_template_have_names_of_their_own(here: Deployment) -> None:
    made = [(await here.ask("POST", "/templates/basic/agents", 201)).json()["name"] for _ in range(3)]
    assert made == ["basic_agent", "basic_agent_new", "basic_agent_new_2"]
    await here.ask("POST", "/templates/basic/agents", 409, json={"name": "basic_agent"})


async def test_administrators_make_templates_for_everybody(here: Deployment) -> None:
    await here.ask("POST", "/agents", 403, json=GREETER)
    made = (await here.ask("POST", "/agents", 201, by="root", json=GREETER)).json()
    assert (made["type"], made["is_template"]) == ("template", True)
    assert [one["name"] for one in (await here.ask("GET", "/templates")).json()["items"]][-1] == made["id"]
    await here.ask("POST", "/runs", 400, json={"agent_id": made["id"], "input": "x"})
    body = {"parameters": {"who": "Bob"}}
    agent = (await here.ask("POST", f"/templates/{made['id']}/agents", 201, json=body)).json()
    assert agent["provenance"] == {
        "kind": "template",
        "agent_id": made["id"],
        "version": 1,
        "template": "greeter",
        "digest": (await here.ask("GET", f"/agents/{made['id']}/versions/1")).json()["digest"],
    }
    assert (agent["scope"], (await here.run(agent_id=agent["id"], input="x"))["output"]) == ("user", "Hello Bob.")
    plain = (await here.make(name="plain"))["id"]
    await here.ask("POST", f"/templates/{plain}/agents", 404)
    own = (await here.make(**{**GREETER, "name": "own", "scope": "user"}))["id"]
    await here.ask("POST", f"/templates/{own}/agents", 404, by="bob")
    await here.ask("POST", f"/templates/{own}/agents", 201)


async def test_a_draft_that_is_a_template_is_not_run(here: Deployment) -> None:
    agent = (await here.make())["id"]
    await here.ask("PUT", f"/agents/{agent}?draft=true", json={**GREETER, "scope": "user"})
    refused = await here.ask("POST", "/runs", 400, json={"agent_id": agent, "version": "draft", "input": "x"})
    assert refused.json()["code"] == "failed_precondition"
    assert (await here.ask("GET", "/runs")).json()["items"] == []
