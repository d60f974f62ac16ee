"""The `agents` function over HTTP, on memory adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.agents.catalog import catalog_routes
from functions.agents.routes import making_routes, reading_routes, writing_routes
from functions.agents.versions import alias_routes, version_routes
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.domain.errors import Unauthenticated
from shared.domain.ids import Uid
from shared.edge.app import create_app
from shared.ports.identity import Identity
from shared.usecases.agents.shelf import Shelf

RESEARCH_AGENT = (Path(__file__).parents[2] / "data" / "research-agent.yaml").read_bytes()
YAML = {"Content-Type": "application/yaml"}
HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}


class NamesAsTokens:
    async def verify(self, token: str) -> Identity:
        if token not in {"ada", "bob"}:
            raise Unauthenticated("The token is not valid.")
        return Identity(Uid(token), "user")


def as_(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    shelf = Shelf(MemoryDocuments(), MemoryClock(), MemoryIds())
    app = create_app("agents", verifier=NamesAsTokens())
    app.include_router(catalog_routes(shelf))
    for routes in (making_routes, writing_routes, reading_routes, version_routes, alias_routes):
        app.include_router(routes(shelf))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=as_("ada")) as client:
        yield client


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/agents", json={**HELPER, **fields})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_the_first_users_own_file_becomes_an_agent(client: httpx.AsyncClient) -> None:
    answer = await client.post("/agents?changelog=first", content=RESEARCH_AGENT, headers=YAML)
    assert answer.status_code == 201
    agent = answer.json()
    assert answer.headers["location"] == f"/agents/{agent['id']}"
    assert answer.headers["etag"] == '"1-1"'
    assert (agent["name"], agent["head"], agent["tags"]) == (
        "custom_research_agent",
        1,
        ["research", "academic", "papers"],
    )
    assert agent["definition"]["model"]["provider"] == "vertex-gemini"
    read = await client.get(answer.headers["location"])
    assert read.json() == agent
    version = await client.get(f"/agents/{agent['id']}/versions/1")
    assert (version.json()["changelog"], version.json()["definition"]) == ("first", agent["definition"])


async def test_every_fault_of_a_definition_is_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/agents", json={"nam": "x", "model": "local:extractiv", "tools": ["greb"]})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "invalid_argument")
    assert {fault["path"]: fault["suggestion"] for fault in problem["faults"]} == {
        "name": None,
        "nam": "name",
        "model": "local:extractive",
        "tools.0": "grep",
    }


@pytest.mark.parametrize(
    ("body", "media_type", "status", "words"),
    [
        (b"a: [", "application/yaml", 400, "line 2, column 1"),
        (b'{"a": ', "application/json", 400, "line 1, column 7"),
        (b"a: b", "text/plain", 415, "application/yaml"),
        (b"x" * 1_048_577, "application/yaml", 413, "larger than 1048576 bytes"),
        (b"just text", "application/yaml", 400, "one fault"),
    ],
)
async def test_a_body_that_is_no_definition_is_refused(
    client: httpx.AsyncClient, body: bytes, media_type: str, status: int, words: str
) -> None:
    answer = await client.post("/agents", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/agents"),
        ("GET", "/agents"),
        ("POST", "/agents/validate"),
        ("GET", "/agents/x"),
        ("PUT", "/agents/x"),
        ("DELETE", "/agents/x"),
        ("GET", "/agents/x/versions"),
        ("GET", "/agents/x/versions/1"),
        ("GET", "/users/me/agents"),
        ("GET", "/tools"),
    ],
)
async def test_every_route_wants_a_token(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, json=HELPER, headers={"Authorization": "Bearer eve"})
    assert answer.status_code == 401


async def test_somebody_elses_agent_is_not_there(client: httpx.AsyncClient) -> None:
    path = f"/agents/{(await create(client))['id']}"
    for method, place in (
        ("GET", path),
        ("PUT", path),
        ("DELETE", path),
        ("GET", f"{path}/versions"),
        ("GET", f"{path}/versions/1"),
    ):
        answer = await client.request(method, place, json=HELPER, headers=as_("bob"))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get("/agents?scope=user", headers=as_("bob"))).json()["items"] == []


async def test_an_update_is_a_new_version(client: httpx.AsyncClient) -> None:
    agent = await create(client)
    path = f"/agents/{agent['id']}"
    answer = await client.put(f"{path}?changelog=two", json={**HELPER, "description": "two"})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2-2"')
    assert (answer.json()["head"], answer.json()["description"]) == (2, "two")
    versions = (await client.get(f"{path}/versions")).json()
    assert [(one["number"], one["changelog"]) for one in versions["items"]] == [(2, "two"), (1, "")]
    first = (await client.get(f"{path}/versions/1")).json()
    assert first["definition"] == HELPER
    assert (await client.get(f"{path}/versions/3")).status_code == 404


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ('"1-1"', 200),
        ('"1"', 200),
        ("*", 200),
        ('"1-2"', 412),
        ('"2"', 412),
        ("1", 400),
        ('W/"1"', 400),
        ('"1", "2"', 400),
    ],
)
async def test_an_update_may_demand_a_version(client: httpx.AsyncClient, if_match: str, status: int) -> None:
    agent = await create(client)
    answer = await client.put(f"/agents/{agent['id']}", json=HELPER, headers={"If-Match": if_match})
    assert answer.status_code == status
    assert status != 412 or answer.json()["code"] == "version_mismatch"


async def test_concurrent_updates_over_http_lose_none(client: httpx.AsyncClient) -> None:
    path = f"/agents/{(await create(client))['id']}"
    answers = await asyncio.gather(*(client.put(path, json={**HELPER, "description": str(n)}) for n in range(2)))
    assert sorted(answer.json()["head"] for answer in answers) == [2, 3]


async def test_a_reader_that_has_the_latest_version_is_sent_nothing(client: httpx.AsyncClient) -> None:
    path = f"/agents/{(await create(client))['id']}"
    answer = await client.get(path, headers={"If-None-Match": '"7", W/"1-1"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_deleted_agent_is_gone(client: httpx.AsyncClient) -> None:
    path = f"/agents/{(await create(client))['id']}"
    answer = await client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404
    await create(client)


async def test_a_name_is_used_once(client: httpx.AsyncClient) -> None:
    await create(client)
    answer = await client.post("/agents", json=HELPER)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")


async def test_agents_are_listed_in_pages(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await create(client, name=f"agent_{number}")
    first = (await client.get("/agents?scope=user&limit=2")).json()
    rest = (
        await client.get("/agents", params={"scope": "user", "limit": 2, "page_token": first["next_page_token"]})
    ).json()
    names = [agent["name"] for agent in first["items"] + rest["items"]]
    assert sorted(names) == ["agent_0", "agent_1", "agent_2"]
    assert rest["next_page_token"] is None
    assert "definition" not in first["items"][0]
    assert [agent["name"] for agent in (await client.get("/agents?name=agent_1")).json()["items"]] == ["agent_1"]


async def test_the_agents_of_somebody_are_those_that_one_may_see(client: httpx.AsyncClient) -> None:
    agent = await create(client)
    for user, names in (("me", [agent["name"]]), ("ada", [agent["name"]]), ("bob", [])):
        listed = (await client.get(f"/users/{user}/agents")).json()["items"]
        assert [one["name"] for one in listed] == names
    assert (await client.get("/users/ada/agents", headers=as_("bob"))).json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "scope=all", "limt=5", "page_token=nonsense"])
async def test_a_list_is_not_guessed(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/agents?{query}")
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == f"query.{query.partition('=')[0]}"


async def test_validation_tells_all_faults_and_stores_nothing(client: httpx.AsyncClient) -> None:
    good = await client.post("/agents/validate", content=RESEARCH_AGENT, headers=YAML)
    assert (good.json()["valid"], good.json()["faults"]) == (True, [])
    (warning,) = good.json()["warnings"]
    assert (warning["path"], warning["suggestion"]) == ("model.model", "gemini-3.8-flash")
    assert RESEARCH_AGENT.splitlines()[warning["line"] - 1] == b'  model: "gemini-1.5-pro"'
    bad = await client.post("/agents/validate", content=b"name: x\nname: y", headers=YAML)
    assert bad.status_code == 200
    assert bad.json()["valid"] is False
    assert "line 2, column 1" in bad.json()["faults"][0]["reason"]
    worse = await client.post("/agents/validate", json={"nme": 1})
    assert {fault["path"] for fault in worse.json()["faults"]} == {"name", "model", "nme"}
    assert (await client.get("/agents?scope=user")).json()["items"] == []


async def test_tools_are_listed_with_their_schemas(client: httpx.AsyncClient) -> None:
    tools = {tool["name"]: tool for tool in (await client.get("/tools")).json()["items"]}
    assert {"file_read", "file_write", "grep", "find", "diff", "document_analyzer", "web_search"} <= tools.keys()
    assert tools["file_write"]["effect"] == "idempotent"
    assert "path" in tools["file_read"]["arguments_schema"]["properties"]


async def test_the_schema_of_definitions_is_public(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/agents/schema", headers={"Authorization": ""})).json()
    assert schema["properties"].keys() >= {"name", "model", "tools", "graph"}
    assert schema["additionalProperties"] is False
