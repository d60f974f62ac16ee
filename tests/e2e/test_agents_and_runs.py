"""Agents, runs, sessions and files, end to end: staged functions, real tokens, the queue, and Firestore."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.people import sign_up
from tests.support.polling import end_of

DATA = Path(__file__).parents[1] / "data"
YAML = {"Content-Type": "application/yaml"}

REVIEWER = """
name: reviewer
type: graph
model: local:extractive
tools: [file_read]
graph:
  nodes:
    files:
      kind: tool
      tool: find
      arguments: {glob: "*.md"}
    review:
      kind: map
      over: "{{ files.output.paths }}"
      body:
        kind: agent
        prompt: "Review {{ item }}: {{ input.text }}"
    all:
      kind: join
      after: [review]
      reducer: text
    write:
      kind: tool
      tool: file_write
      arguments: {path: review.md, content: "{{ all.output }}"}
"""


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, signed in as somebody new."""
    async with sign_up(api) as client:
        yield client


async def make_agent(client: httpx.AsyncClient, definition: str) -> str:
    answer = await client.post("/agents", content=definition, headers=YAML)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def run_to_end(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/runs", json=body)
    assert answer.status_code == 202, answer.text
    return await end_of(client, answer.headers["location"])


async def test_the_first_users_file_is_imported_changed_and_kept_in_versions(ada: httpx.AsyncClient) -> None:
    body = (DATA / "research-agent.yaml").read_bytes()
    created = await ada.post("/agents", content=body, headers=YAML)
    assert created.status_code == 201, created.text
    path = created.headers["location"]
    definition = (await ada.get(path)).json()["definition"]
    changed = {**definition, "model": "local:extractive", "version": "1.1.0"}
    updated = await asyncio.gather(*(ada.put(path, json=changed) for _ in range(4)))
    assert sorted(answer.json()["head"] for answer in updated) == [2, 3, 4, 5]
    versions = (await ada.get(f"{path}/versions", params={"limit": 2})).json()
    assert [one["number"] for one in versions["items"]] == [5, 4]
    assert (await ada.get(f"{path}/versions/1")).json()["definition"] == definition
    stale = await ada.put(path, json=changed, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    listed = (await ada.get("/agents", params={"name": definition["name"]})).json()["items"]
    assert [one["id"] for one in listed] == [created.json()["id"]]
    assert (await ada.delete(path)).status_code == 204
    assert (await ada.get("/agents?scope=user")).json()["items"] == []


async def test_what_is_wrong_is_said_clearly(api: httpx.AsyncClient, ada: httpx.AsyncClient) -> None:
    bad = await ada.post("/agents", content="name: x\nmodel: [", headers=YAML)
    assert (bad.status_code, "line 3, column 1" in bad.json()["detail"]) == (400, True)
    unknown = await ada.post("/agents", content="name: x\nmodel: local:extractive\ntools: [greb]", headers=YAML)
    assert unknown.json()["faults"] == [
        {"path": "tools.0", "reason": "there is no tool 'greb'", "suggestion": "grep", "line": 3, "column": 9}
    ]
    large = await ada.post("/agents", content=b"x" * 1_048_577, headers=YAML)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert (await api.get("/agents")).status_code == 401
    run = await run_to_end(ada, agent_id=await make_agent(ada, "name: x\nmodel: local:extractive"), input="hello")
    async with sign_up(api) as eve:
        for path in (f"/runs/{run['id']}", f"/sessions/{run['session_id']}", f"/agents/{run['agent_id']}"):
            assert (await eve.get(path)).status_code == 404


async def test_a_session_goes_on_over_turns(ada: httpx.AsyncClient) -> None:
    agent = await make_agent(ada, "name: talker\nmodel: local:extractive")
    session = (await ada.post("/sessions", json={"agent_id": agent, "title": "Talk"})).json()["id"]
    for text in ("The forge is hot.", "What is hot?"):
        run = await run_to_end(ada, session_id=session, input=text)
        assert run["state"] == "succeeded", run
    events = (await ada.get(f"/sessions/{session}/history")).json()["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["author"] for event in events if event["author"] == "user"] == ["user", "user"]
    assert events[-1]["turn_complete"] is True
    listed = (await ada.get("/sessions", params={"agent_id": agent})).json()["items"]
    assert [one["id"] for one in listed] == [session]
    assert (await ada.delete(f"/sessions/{session}")).status_code == 204
    assert (await ada.get(f"/sessions/{session}/history")).status_code == 404


async def test_a_graph_reviews_every_file_and_writes_what_it_found(ada: httpx.AsyncClient) -> None:
    agent = await make_agent(ada, REVIEWER)
    session = (await ada.post("/sessions", json={"agent_id": agent})).json()["id"]
    files = f"/sessions/{session}/artifacts"
    for number in range(3):
        content = f"# File {number}\n\nThe anvil number {number} rings.\n"
        put = await ada.put(files, params={"name": f"file{number}.md"}, content=content)
        assert put.status_code == 201, put.text
    run = await run_to_end(ada, session_id=session, input="Which anvil rings?")
    assert run["state"] == "succeeded", run
    nodes = (await ada.get(f"/runs/{run['id']}/nodes", params={"limit": 100})).json()["items"]
    assert [node["instance"] for node in nodes if node["node"] == "review" and node["index"] is not None] == [
        f"review[{number}]~0" for number in range(3)
    ]
    assert {node["state"] for node in nodes} == {"succeeded"}
    review = await ada.get(files, params={"name": "review.md"})
    assert all(f"anvil number {number}" in review.text for number in range(3))
    names = [one["name"] for one in (await ada.get(files)).json()["items"]]
    assert names == ["file0.md", "file1.md", "file2.md", "review.md"]


async def test_a_key_gives_one_run_however_often_it_is_sent(ada: httpx.AsyncClient) -> None:
    body = {"agent_id": await make_agent(ada, "name: x\nmodel: local:extractive"), "input": "hello"}
    key = {"Idempotency-Key": secrets.token_hex(8)}
    answers = await asyncio.gather(*(ada.post("/runs", json=body, headers=key) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await ada.post("/runs", json={**body, "input": "other"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len((await ada.get("/runs")).json()["items"]) == 1


async def test_a_cancelled_run_stops(ada: httpx.AsyncClient) -> None:
    script = "[{chunks: [word], repeat: 500, delay_seconds: 60}]"
    agent = await make_agent(ada, f"name: slow\nmodel: {{provider: local, model: scripted, script: {script}}}")
    run = (await ada.post("/runs", json={"agent_id": agent, "input": "talk"})).json()
    cancelled = await ada.post(f"/runs/{run['id']}/cancel")
    assert cancelled.status_code == 202
    assert (await end_of(ada, f"/runs/{run['id']}"))["state"] == "cancelled"
