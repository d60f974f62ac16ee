"""Runs that are retried, replayed and answered again, end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.e2e.test_chat import history, open_session, say
from tests.support.people import sign_up
from tests.support.polling import end_of

GRAPH: dict[str, Any] = {
    "name": "copier",
    "type": "graph",
    "model": "local:extractive",
    "graph": {
        "nodes": {
            "mark": {"kind": "tool", "tool": "calculator", "arguments": {"expression": "6 * 7"}},
            "read": {
                "kind": "tool",
                "tool": "file_read",
                "arguments": {"path": "{{ input.text }}"},
                "after": ["mark"],
            },
            "write": {
                "kind": "tool",
                "tool": "file_write",
                "arguments": {"path": "copy.txt", "content": "{{ mark.output.result }} {{ read.output.text }}"},
            },
        }
    },
}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


async def asked(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """The run that a request starts, at its end."""
    answer = await client.post(path, json=body, headers={"Idempotency-Key": path})
    assert answer.status_code == 202, answer.text
    again = await client.post(path, json=body, headers={"Idempotency-Key": path})
    assert again.json()["id"] == answer.json()["id"]
    return await end_of(client, answer.headers["location"])


async def upload(client: httpx.AsyncClient, session: str, name: str, text: str) -> None:
    stored = await client.put(f"/sessions/{session}/artifacts", params={"name": name}, content=text.encode())
    assert stored.status_code == 201, stored.text


async def copy_of(client: httpx.AsyncClient, session: str) -> str:
    return (await client.get(f"/sessions/{session}/artifacts", params={"name": "copy.txt"})).text


async def test_a_failed_graph_is_retried_once_it_was_mended_and_replayed_on_another_input(
    ada: httpx.AsyncClient,
) -> None:
    agent = (await ada.post("/agents", json=GRAPH)).json()["id"]
    started = await ada.post("/runs", json={"agent_id": agent, "input": "a.txt"})
    first = await end_of(ada, started.headers["location"])
    assert first["state"] == "failed"
    session = first["session_id"]
    await upload(ada, session, "a.txt", "apple")
    second = await asked(ada, f"/runs/{first['id']}/retry")
    assert (second["state"], await copy_of(ada, session)) == ("succeeded", "42 apple")
    assert second["repeats"] == {"run_id": first["id"], "kind": "retry", "node": None}
    assert second["usage"]["tool_calls"] == 2
    await upload(ada, session, "b.txt", "banana")
    third = await asked(ada, f"/runs/{second['id']}/replay", **{"from": "read", "input": "b.txt"})
    assert (third["state"], await copy_of(ada, session)) == ("succeeded", "42 banana")
    assert third["usage"]["tool_calls"] == 2
    nothing = await ada.post(f"/runs/{third['id']}/retry")
    assert (nothing.status_code, nothing.json()["code"]) == (400, "failed_precondition")


async def test_an_answer_is_made_again_and_the_old_one_is_marked(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, {"name": "echo", "model": "local:extractive"})
    await say(ada, session, "The sky is blue.")
    new = await asked(ada, f"/sessions/{session}/regenerate")
    assert new["state"] == "succeeded"
    events = (await ada.get(f"/sessions/{session}/history")).json()["items"]
    assert [event["author"] for event in events] == ["user", "agent", "system", "agent"]
    assert [event["superseded_by"] for event in events] == [None, new["id"], None, None]
    assert events[2]["content"]["repeats"]["kind"] == "regenerate"


async def test_a_conversation_is_forked_where_it_was_and_goes_on_in_both(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, {"name": "echo", "model": "local:extractive"})
    for text in ("The sky is blue.", "The sea is deep."):
        await say(ada, session, text)
        await upload(ada, session, f"{len(text)}-{text[4:7]}.txt", text)
    answer = await ada.post(f"/sessions/{session}/fork", json={"at_seq": 3})
    assert answer.status_code == 201, answer.text
    fork = answer.json()
    assert fork["fork_of"] == {"session_id": session, "at_seq": 3}
    await say(ada, fork["id"], "The grass is green.")
    texts = [event["content"]["text"] for event in await history(ada, fork["id"]) if event["author"] == "user"]
    assert texts == ["The sky is blue.", "The grass is green."]
    files = (await ada.get(f"/sessions/{fork['id']}/artifacts")).json()["items"]
    assert [file["name"] for file in files] == ["16-sky.txt"]
    assert len(await history(ada, session)) == 4
    new = await asked(ada, f"/sessions/{fork['id']}/regenerate")
    assert new["state"] == "succeeded"
