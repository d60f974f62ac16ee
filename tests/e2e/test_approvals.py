"""Runs that wait for people, end to end: no process holds them, and they outlive the workers that began them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from scripts.local.stack import Stack
from tests.e2e.test_chat import ended, frames, history, open_session, say
from tests.support.people import sign_up
from tests.support.polling import comes_to, until
from tests.support.stack import killed

WRITE = {"name": "file_write", "arguments": {"path": "letter.txt", "content": "Dear all"}}
COUNT = {"name": "calculator", "arguments": {"expression": "6 * 7"}}
QUESTION = {"name": "ask_human", "arguments": {"question": "Whom to?", "choices": ["Bob", "everybody"]}}


def agent(*calls: dict[str, Any], asked: str | None = None) -> dict[str, Any]:
    """An agent that makes calls at once: to write it needs a yes, to know more it asks somebody."""
    script = [{"calls": list(calls), "chunks": ["all ", "done"]}]
    question = {"name": "ask_human", "config": {"asked": [asked]} if asked else {}}
    tools = ["calculator", {"name": "file_write", "requires_approval": True}, question]
    return {"name": "writer", "model": {"provider": "local", "model": "scripted", "script": script}, "tools": tools}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


@pytest.fixture
async def bob(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


async def inbox(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await client.get("/approvals", params={"state": "pending"})).json()["items"]


async def start(client: httpx.AsyncClient, definition: dict[str, Any]) -> dict[str, Any]:
    made = await client.post("/agents", json=definition)
    assert made.status_code == 201, made.text
    started = await client.post("/runs", json={"agent_id": made.json()["id"], "input": "write"})
    assert started.status_code == 202, started.text
    return started.json()


async def node_waits(client: httpx.AsyncClient, run: dict[str, Any], name: str) -> None:
    async def waits() -> bool:
        nodes = (await client.get(f"/runs/{run['id']}/nodes")).json()["items"]
        return {"waiting"} == {node["state"] for node in nodes if node["node"] == name}

    await until(waits)


async def decide(client: httpx.AsyncClient, approval: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/approvals/{approval['id']}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def results(client: httpx.AsyncClient, session: str) -> dict[str, dict[str, Any]]:
    """What each tool answered."""
    events = await history(client, session)
    found = [event["content"]["result"] for event in events if "result" in event["content"]]
    assert len({result["name"] for result in found}) == len(found)
    return {result["name"]: result for result in found}


async def test_a_run_goes_on_where_it_stood_on_another_worker_when_all_have_answered(
    stack: Stack, ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    uid = (await bob.get("/auth/me")).json()["uid"]
    run = await start(ada, agent(COUNT, WRITE, QUESTION, asked=uid))
    await comes_to(ada, run, "waiting")
    async with killed(stack, "worker"):
        (write,), (question,) = await inbox(ada), await inbox(bob)
        assert (write["tool"], write["arguments"]) == ("file_write", WRITE["arguments"])
        assert (question["kind"], question["message"]) == ("question", "Whom to?")
        assert (await bob.get(f"/approvals/{write['id']}")).status_code == 404
        assert (await ada.get("/approvals/count")).json()["count"] == 1
        await decide(ada, write, "approve", arguments={"path": "letter.txt", "content": "Dear Bob"})
        await decide(bob, question, "answer", answer="Bob")
    assert (await comes_to(ada, run, "succeeded", "failed"))["output"] == "all done"
    told = await results(ada, run["session_id"])
    assert told["ask_human"]["content"] == "Bob"
    assert told["calculator"]["is_error"] is False
    written = await ada.get(f"/sessions/{run['session_id']}/artifacts", params={"name": "letter.txt"})
    assert written.text == "Dear Bob"
    (node,) = (await ada.get(f"/runs/{run['id']}/nodes")).json()["items"]
    assert node["usage"]["requests"] == 2


async def test_a_conversation_ends_its_stream_while_it_waits_and_goes_on_after_a_no(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, agent(COUNT, WRITE))
    said = await say(ada, session, "write")
    kind, number, data = said[-1]
    (write,) = await inbox(ada)
    assert (kind, number, data["state"], data["approval_ids"]) == ("state", None, "waiting", [write["id"]])
    busy = await ada.post(f"/sessions/{session}/messages", json={"input": "again"})
    assert busy.json()["code"] == "session_busy"
    await decide(ada, write, "deny", reason="not today")
    late = await ada.post(f"/approvals/{write['id']}/approve")
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    await ended(ada, session)
    async with ada.stream("GET", f"/sessions/{session}/events") as answer:
        assert [kind async for kind, _, _ in frames(answer)][-1] == "final"
    told = await results(ada, session)
    assert told["file_write"]["is_error"] is True
    assert "not today" in told["file_write"]["content"]
    assert (await ada.get(f"/sessions/{session}/artifacts")).json()["items"] == []


async def test_a_message_that_is_awaited_in_json_says_what_is_asked(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, agent(QUESTION))
    answer = (await ada.post(f"/sessions/{session}/messages", json={"input": "write", "stream": False})).json()
    (question,) = await inbox(ada)
    assert (answer["state"], answer["approval_ids"]) == ("waiting", [question["id"]])
    await decide(ada, question, "answer", answer="everybody")
    assert (await ended(ada, session))[-1]["content"]["text"] == "all done"


GRAPH: dict[str, Any] = {
    "count": {"kind": "tool", "tool": "calculator", "arguments": {"expression": "6 * 7"}},
    "gate": {"kind": "approval", "message": "Publish {{ count.output }}?"},
    "publish": {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1 + 1"}, "after": ["gate"]},
}


@pytest.mark.parametrize(("verb", "state"), [("approve", "succeeded"), ("deny", "failed"), ("cancel", "cancelled")])
async def test_a_graph_waits_at_an_approval(ada: httpx.AsyncClient, verb: str, state: str) -> None:
    definition = {"name": "g", "type": "graph", "model": "local:extractive", "graph": {"nodes": GRAPH}}
    run = await start(ada, definition)
    await node_waits(ada, run, "gate")
    (gate,) = await inbox(ada)
    assert gate["kind"] == "node"
    if verb == "cancel":
        assert (await ada.post(f"/runs/{run['id']}/cancel")).status_code == 202
    else:
        await decide(ada, gate, verb)
    assert (await comes_to(ada, run, "succeeded", "failed", "cancelled"))["state"] == state
    assert await inbox(ada) == []
