"""Tools that a definition brings, and the web, end to end: staged functions, real servers, the queue, and Firestore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from tests.support.http_sites import Asked, Told, site_of
from tests.support.image_files import image_of
from tests.support.mcp_sites import calculator, mcp_site
from tests.support.pdf_files import pdf_of
from tests.support.people import sign_up
from tests.support.polling import end_of, until

TOKEN = "t0ken-of-the-weather-service"
ARTICLE = "".join(f"<p>Anvil number {number} rings because it is hard and hangs free.</p>" for number in range(9))


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, signed in as somebody new, who has a secret."""
    async with sign_up(api) as client:
        stored = await client.put("/secrets/weather", json={"value": TOKEN})
        assert stored.status_code == 201, stored.text
        yield client


def town() -> MCPServer:
    """A site with an API, an MCP server, and a page."""
    server = calculator()

    @server.custom_route("/cities/{city}", methods=["GET"])
    async def weather(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "who are you?"}, 401)
        known = {"city": request.path_params["city"], "celsius": 21.5, "you": dict(request.headers)}
        return JSONResponse(known)

    @server.custom_route("/anvils", methods=["GET"])
    async def page(_request: Request) -> Response:
        return HTMLResponse(f"<title>Anvils</title><nav>Menu</nav><main><article>{ARTICLE}</article></main>")

    @server.custom_route("/inside", methods=["GET"])
    async def inside(_request: Request) -> Response:
        return Response(status_code=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})

    return server


def tools_at(port: int, **fields: Any) -> dict[str, Any]:
    weather = {
        "name": "weather",
        "description": "The weather of a city.",
        "url": f"http://127.0.0.1:{port}/cities/{{city}}",
        "arguments": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "bearer_token": {"secret": "weather"},
    }
    calc = {"name": "calc", "url": f"http://127.0.0.1:{port}/mcp", "tools": ["add"]}
    return {"name": "helper", "model": "local:extractive", "http_tools": [weather], "mcp_servers": [calc], **fields}


async def run_to_end(client: httpx.AsyncClient, definition: dict[str, Any]) -> dict[str, Any]:
    run = await start(client, definition)
    return await end_of(client, run)


async def start(client: httpx.AsyncClient, definition: dict[str, Any]) -> str:
    agent = await client.post("/agents", json=definition)
    assert agent.status_code == 201, agent.text
    run = await client.post("/runs", json={"agent_id": agent.json()["id"], "input": "Bern"})
    assert run.status_code == 202, run.text
    return str(run.headers["location"])


async def test_a_graph_calls_an_api_and_an_mcp_server(ada: httpx.AsyncClient, site_port: int) -> None:
    nodes = {
        "look": {"kind": "tool", "tool": "weather", "arguments": {"city": "{{ input.text }}"}},
        "sum": {"kind": "tool", "tool": "calc_add", "arguments": {"a": "{{ look.output.celsius }}", "b": 1}},
    }
    async with mcp_site(town(), port=site_port):
        run = await run_to_end(ada, tools_at(site_port, type="graph", graph={"nodes": nodes}))

    assert (run["state"], run["output"]) == ("succeeded", {"result": 22.5}), run
    found = (await ada.get(f"/runs/{run['id']}/nodes")).json()["items"]
    look = next(node["output"] for node in found if node["node"] == "look")
    assert (look["city"], look["you"]["authorization"]) == ("Bern", "Bearer [secret]")
    assert TOKEN not in str(found) + str(run)


async def test_an_agent_calls_every_kind_of_tool_and_is_told_what_it_may_not_reach(
    ada: httpx.AsyncClient, site_port: int
) -> None:
    calls = [
        {"name": "weather", "arguments": {"city": "New York"}},
        {"name": "calc_add", "arguments": {"a": 1, "b": 2}},
        {"name": "web_fetch", "arguments": {"url": f"http://127.0.0.1:{site_port}/anvils"}},
        {"name": "web_fetch", "arguments": {"url": f"http://127.0.0.1:{site_port}/inside"}},
        {"name": "web_fetch", "arguments": {"url": "http://metadata.google.internal/computeMetadata/v1/"}},
        {"name": "web_fetch", "arguments": {"url": "http://2130706433/"}},
        {"name": "web_search", "arguments": {"query": "anvils"}},
    ]
    model = {"provider": "local", "model": "scripted", "script": [{"calls": calls, "chunks": ["Done."]}]}
    uses = ["weather", "calc", "web_fetch", "web_search"]
    async with mcp_site(town(), port=site_port):
        run = await run_to_end(ada, tools_at(site_port, model=model, tools=uses))

    assert (run["state"], run["output"]) == ("succeeded", "Done."), run
    events = (await ada.get(f"/sessions/{run['session_id']}/history", params={"limit": 100})).json()["items"]
    results = {str(event["content"]["result"]) for event in events if event["author"] == "tool"}
    for words in (
        "New York",
        "3.0",
        "Anvil number 8 rings",
        "link-local or metadata",
        "metadata.google.internal",
        "a plain IPv4 address",
        "No search engine",
    ):
        assert [text for text in results if words in text], (words, results)
    assert TOKEN not in str(events)


async def test_a_run_waits_for_an_mcp_server_that_is_down(ada: httpx.AsyncClient, site_port: int) -> None:
    nodes = {
        "sum": {
            "kind": "tool",
            "tool": "calc_add",
            "arguments": {"a": 1, "b": 2},
            "retry": {"max_attempts": 20, "initial_seconds": 0.5, "factor": 2, "max_seconds": 60},
        }
    }
    path = await start(ada, tools_at(site_port, type="graph", graph={"nodes": nodes}))

    async def tried_again() -> bool:
        found = (await ada.get(f"{path}/nodes")).json()["items"]
        return any(node["node"] == "sum" and node["attempt"] >= 2 for node in found)

    await until(tried_again)
    async with mcp_site(town(), port=site_port):
        run = await end_of(ada, path)

    assert (run["state"], run["output"]) == ("succeeded", {"result": 3.0}), run


async def test_what_is_wrong_with_a_tool_is_said_before_it_is_used(ada: httpx.AsyncClient) -> None:
    definition = tools_at(1, tools=["weathr"])
    definition["http_tools"][0]["url"] = "http://169.254.169.254/{city}"
    definition["mcp_servers"][0]["headers"] = {"Host": "inside"}

    answer = await ada.post("/agents/validate", json=definition)

    paths = {fault["path"] for fault in answer.json()["faults"]}
    assert paths == {"tools.0", "http_tools.0.url", "mcp_servers.0.headers.Host"}


def gallery(_asked: Asked) -> Told:
    """A site with a picture, a document, and a way inside."""
    files = {
        "/anvil.png": Told(image_of(), headers={"Content-Type": "image/png"}),
        "/manual": Told(pdf_of("The anvil weighs ninety kilograms."), headers={"Content-Type": "application/pdf"}),
        "/inside": Told(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}),
    }
    return files.get(_asked.path, Told(status=404))


async def test_images_and_documents_of_the_web_are_read_and_kept(ada: httpx.AsyncClient, site_port: int) -> None:
    site = f"http://127.0.0.1:{site_port}"
    calls = [
        {"name": "image", "arguments": {"url": f"{site}/anvil.png"}},
        {"name": "document_analyzer", "arguments": {"url": f"{site}/manual"}},
        {"name": "image", "arguments": {"url": f"{site}/inside"}},
        {"name": "document_analyzer", "arguments": {"url": "http://[::ffff:169.254.169.254]/"}},
    ]
    model = {"provider": "local", "model": "scripted", "script": [{"calls": calls, "chunks": ["Done."]}]}
    definition = {"name": "looker", "model": model, "tools": ["image", "document_analyzer"]}
    async with site_of({"*": gallery}, site_port):
        run = await run_to_end(ada, definition)
    assert (run["state"], run["output"]) == ("succeeded", "Done."), run
    session = f"/sessions/{run['session_id']}"
    events = (await ada.get(f"{session}/history", params={"limit": 100})).json()["items"]
    results = [str(event["content"]["result"]) for event in events if event["author"] == "tool"]
    for words, times in (("PNG", 1), ("ninety kilograms", 1), ("may not be reached", 2)):
        assert sum(words in result for result in results) == times, (words, results)
    kept = [one["name"] for one in (await ada.get(f"{session}/artifacts")).json()["items"]]
    contents = [(await ada.get(f"{session}/artifacts", params={"name": name})).content for name in sorted(kept)]
    assert sorted(contents) == sorted([image_of(), pdf_of("The anvil weighs ninety kilograms.")])


async def question_of(client: httpx.AsyncClient) -> dict[str, Any]:
    """What the person is asked, once they are."""

    async def asked() -> list[dict[str, Any]]:
        return (await client.get("/approvals?state=pending")).json()["items"]

    return (await until(asked))[0]


async def test_a_node_calls_a_servers_tool_only_after_a_yes(ada: httpx.AsyncClient, site_port: int) -> None:
    tools = (await ada.get("/tools")).json()["items"]
    assert {tool["name"]: (tool["risk"], tool["effect"]) for tool in tools}["image"] == ("reaches_out", "idempotent")
    nodes = {"sum": {"kind": "tool", "tool": "calc_add", "arguments": {"a": 1, "b": 2}}}
    marked = [{"name": "calc", "requires_approval": True}]
    async with mcp_site(town(), port=site_port):
        path = await start(ada, tools_at(site_port, type="graph", tools=marked, graph={"nodes": nodes}))
        approval = await question_of(ada)
        assert (approval["tool"], approval["arguments"]) == ("calc_add", {"a": 1, "b": 2})
        assert (await ada.post(f"/approvals/{approval['id']}/approve")).status_code == 200
        run = await end_of(ada, path)
    assert (run["state"], run["output"]) == ("succeeded", {"result": 3.0}), run
