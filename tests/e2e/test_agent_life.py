"""The life of agents, end to end: drafts tried and published, aliases moved, editors at once, files, templates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.archives import files_of, zip_of
from tests.support.office_files import docx_of
from tests.support.people import sign_up
from tests.support.polling import end_of, until

DATA = Path(__file__).parents[1] / "data"
YAML = {"Content-Type": "application/yaml"}
ZIP = {"Content-Type": "application/zip"}
STEEL = docx_of("# Steel", "Steel is quenched at eight hundred degrees.", title="Steel")
CLERK = {
    "name": "clerk",
    "model": "local:extractive",
    "tools": [{"name": "knowledge", "config": {"collections": ["smithy"]}}],
}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


@pytest.fixture
async def bob(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


def says(text: str, **fields: Any) -> dict[str, Any]:
    model = {"provider": "local", "model": "scripted", "script": [{"chunks": [text]}]}
    return {"name": "speaker", "model": model, **fields}


async def answer(client: httpx.AsyncClient, method: str, path: str, status: int = 200, **sent: Any) -> httpx.Response:
    found = await client.request(method, path, **sent)
    assert found.status_code == status, f"{method} {path}: {found.status_code} {found.text}"
    return found


async def run(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    started = await answer(client, "POST", "/runs", 202, json=body)
    return await end_of(client, started.headers["location"])


async def test_a_draft_is_tried_published_named_and_rolled_back(ada: httpx.AsyncClient) -> None:
    created = await answer(ada, "POST", "/agents", 201, json=says("one"))
    agent, path = created.json()["id"], created.headers["location"]
    await answer(ada, "PUT", f"{path}/aliases/prod", json={"version": 1})
    session = (await answer(ada, "POST", "/sessions", 201, json={"agent_id": agent, "version": "prod"})).json()["id"]
    await answer(ada, "PUT", f"{path}?draft=true", json=says("two", version="2.0.0"))
    tried = await run(ada, agent_id=agent, version="draft", input="hello")
    assert (tried["version"], tried["output"]) == (0, "two")
    published = (await answer(ada, "POST", f"{path}/versions", 201, json={"changelog": "says two"})).json()
    assert (published["number"], published["version_tag"], published["changelog"]) == (2, "2.0.0", "says two")
    await answer(ada, "PUT", f"{path}/aliases/prod", json={"version": 2})
    assert (await run(ada, agent_id=agent, version="prod", input="hello"))["output"] == "two"
    said = await answer(ada, "POST", f"/sessions/{session}/messages", json={"input": "hello", "stream": False})
    assert said.json()["text"] == "one"
    await answer(ada, "PUT", f"{path}/aliases/prod", json={"version": 1})
    assert (await run(ada, agent_id=agent, version="prod", input="hello"))["output"] == "one"
    moves = (await answer(ada, "GET", f"{path}/history?topic=alias")).json()["items"]
    assert [(move["subject"], move["old"], move["new"]) for move in moves] == [
        ("prod", 2, 1),
        ("prod", 1, 2),
        ("prod", None, 1),
    ]
    assert {move["by_uid"] for move in moves} == {created.json()["owner_uid"]}
    diff = (await answer(ada, "GET", f"{path}/versions/prod/diff/latest")).json()
    assert {change["path"] for change in diff["changes"]} == {"model.script.0.chunks.0", "version"}


async def test_of_two_editors_the_second_is_told_what_changed(ada: httpx.AsyncClient) -> None:
    created = await answer(ada, "POST", "/agents", 201, json=says("one"))
    path, seen = created.headers["location"], {"If-Match": created.headers["etag"]}
    saves = await asyncio.gather(
        *(ada.put(path, json=says("one", description=f"by editor {n}"), headers=seen) for n in range(4))
    )
    assert sorted(save.status_code for save in saves) == [200, 412, 412, 412]
    told = next(save for save in saves if save.status_code == 412).json()
    (change,) = told["changed"]["changes"]
    assert (change["path"], change["kind"]) == ("description", "added")
    assert change["new"] == (await answer(ada, "GET", path)).json()["description"]
    drafts = await asyncio.gather(*(ada.put(f"{path}?draft=true", json=says(str(n))) for n in range(4)))
    assert sorted(draft.status_code for draft in drafts) == [200, 428, 428, 428]
    refused = await answer(ada, "POST", f"{path}/versions", 412, headers={"If-Match": '"1-1"'})
    now = {"If-Match": f'"{refused.json()["changed"]["etag"]}"'}
    await answer(ada, "POST", f"{path}/versions", 201, headers=now)


async def test_an_agent_is_taken_elsewhere_as_a_file(ada: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    file = (DATA / "research-agent.yaml").read_bytes()
    made = await answer(ada, "POST", "/agents/import", 201, content=file, headers=YAML)
    assert made.json()["warnings"][0]["suggestion"] == "gemini-3.8-flash"
    exported = await answer(ada, "GET", f"{made.headers['location']}/export")
    there = await answer(bob, "POST", "/agents/import", 201, content=exported.content, headers=YAML)
    again = await answer(bob, "GET", f"{there.headers['location']}/export")
    assert again.content == exported.content
    clone = (await answer(ada, "POST", f"{made.headers['location']}/clone", 201)).json()
    assert (clone["name"], clone["provenance"]["version"]) == ("custom_research_agent_copy", 1)
    await answer(bob, "POST", f"{made.headers['location']}/clone", 404)


async def test_an_agent_takes_its_documents_and_the_agents_that_it_asks_along(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    made = await answer(ada, "POST", "/knowledge", 201, json={"name": "smithy", "description": "How we work"})
    documents = f"{made.headers['location']}/documents"
    for name, content in (("rules.md", "# Rules\n\nThe forge is lit at seven."), ("steel.docx", STEEL)):
        await answer(ada, "PUT", documents, 202, params={"name": name}, content=content)
    clerk = (await answer(ada, "POST", "/agents", 201, json=CLERK)).json()["id"]
    kept = {"ask": {"kind": "agent", "agent": {"id": clerk, "version": 1}}}
    chain = {"name": "chain", "model": "local:extractive", "type": "graph", "graph": {"nodes": kept}}
    path = (await answer(ada, "POST", "/agents", 201, json=chain)).headers["location"]
    archive = await answer(ada, "GET", f"{path}/export?format=zip")
    assert list(files_of(archive.content)) == [
        "agent.yaml",
        "agents/clerk.yaml",
        "knowledge/smithy.yaml",
        "knowledge/smithy/rules.md",
        "knowledge/smithy/steel.docx",
    ]
    there = await answer(bob, "POST", "/agents/import", 201, content=archive.content, headers=ZIP)
    collection = there.json()["imported_knowledge"]["smithy"]

    async def read() -> bool:
        items = (await answer(bob, "GET", f"/knowledge/{collection}/documents")).json()["items"]
        return {one["state"] for one in items} == {"ready"}

    await until(read)
    ended = await run(bob, agent_id=there.json()["id"], input="How hot is the steel when it is quenched?")
    assert "eight hundred degrees" in str(ended["output"]), ended
    again = await answer(bob, "GET", f"{there.headers['location']}/export?format=zip")
    assert again.content == archive.content
    bad = zip_of({"agent.yaml": b"name: x\nmodel: local:extractive", "../../etc/passwd": b"x"})
    refused = await answer(bob, "POST", "/agents/import", 400, content=bad, headers=ZIP)
    assert [fault["path"] for fault in refused.json()["faults"]] == ["../../etc/passwd"]


async def test_a_deleted_agent_comes_back(ada: httpx.AsyncClient) -> None:
    path = (await answer(ada, "POST", "/agents", 201, json=says("one"))).headers["location"]
    await answer(ada, "PUT", f"{path}/aliases/prod", json={"version": 1})
    await answer(ada, "DELETE", path, 204)
    await answer(ada, "GET", path, 404)
    (deleted,) = (await answer(ada, "GET", "/agents?deleted=true")).json()["items"]
    back = (await answer(ada, "POST", f"/agents/{deleted['id']}/restore")).json()
    assert back["aliases"] == {"latest": 1, "prod": 1}
    assert (await run(ada, agent_id=back["id"], version="prod", input="hello"))["output"] == "one"
    mine = (await answer(ada, "GET", "/users/me/agents")).json()["items"]
    assert [agent["id"] for agent in mine] == [back["id"]]


async def test_what_an_agent_takes_is_checked_before_it_runs(api: httpx.AsyncClient, ada: httpx.AsyncClient) -> None:
    schema = (await answer(api, "GET", "/agents/schema")).json()
    assert schema == json.loads((Path(__file__).parents[2] / "docs/agent.schema.json").read_text("utf-8"))
    text = "name: x\nmodel: local:extractive\ninput_schema:\n  type: object\n  requird: [topic]\n"
    told = (await answer(ada, "POST", "/agents/validate", content=text, headers=YAML)).json()
    fault = told["faults"][0]
    assert (fault["line"], fault["column"], fault["suggestion"]) == (5, 3, "required")
    takes = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    body = {"name": "asker", "model": "local:extractive", "input_schema": takes, "prompt": "{{ input.topic }} is hot."}
    agent = (await answer(ada, "POST", "/agents", 201, json=body)).json()["id"]
    refused = (await answer(ada, "POST", "/runs", 400, json={"agent_id": agent, "input": "iron"})).json()
    assert [fault["path"] for fault in refused["faults"]] == ["input.topic"]
    assert (await run(ada, agent_id=agent, input={"topic": "iron"}))["state"] == "succeeded"
    session = (await answer(ada, "POST", "/sessions", 201, json={"agent_id": agent})).json()["id"]
    await answer(ada, "POST", f"/sessions/{session}/messages", 400, json={"input": "iron", "stream": False})


async def test_static_agents_and_templates_come_with_the_deployment(ada: httpx.AsyncClient) -> None:
    names = [agent["id"] for agent in (await answer(ada, "GET", "/agents")).json()["items"]]
    assert names == ["main", "research", "developer"]
    session = (await answer(ada, "POST", "/sessions", 201, json={"agent_id": "developer"})).json()["id"]
    said = await answer(
        ada, "POST", f"/sessions/{session}/messages", json={"input": "The forge is hot. What is hot?", "stream": False}
    )
    assert said.json()["state"] == "succeeded", said.text
    for agent in ("main", "research"):
        assert (await run(ada, agent_id=agent, input="The forge is hot. What is hot?"))["state"] == "succeeded"
    executed = await answer(ada, "POST", "/agents/main/execute", 202, json={"input": "The forge is hot."})
    assert executed.json()["agent_id"] == "main"
    refused = await ada.put("/agents/main", json=says("mine"))
    assert refused.status_code == 403
    templates = (await answer(ada, "GET", "/templates")).json()["items"]
    assert [template["name"] for template in templates] == ["basic", "research", "developer", "custom_workflow"]
    body = {"parameters": {"files": "*.md", "report": "all.md"}, "name": "reviewer"}
    made = (await answer(ada, "POST", "/templates/custom_workflow/agents", 201, json=body)).json()
    files = (await answer(ada, "POST", "/sessions", 201, json={"agent_id": made["id"]})).json()["id"]
    await answer(ada, "PUT", f"/sessions/{files}/artifacts", 201, params={"name": "a.md"}, content="The anvil rings.")
    ended = await run(ada, session_id=files, input="What rings?")
    assert ended["state"] == "succeeded", ended
    report = await answer(ada, "GET", f"/sessions/{files}/artifacts", params={"name": "all.md"})
    assert "anvil" in report.text
