"""Conversations end to end: a staged `chat` function answers over SSE, and the turn goes on when the client leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from scripts.local.stack import Stack
from tests.support.held_models import MODEL, HeldModel
from tests.support.people import sign_up
from tests.support.polling import until
from tests.support.stack import restart_gently


def scripted(**rule: Any) -> dict[str, Any]:
    """An agent whose model plays one rule."""
    return {"name": "scripted", "model": {"provider": "local", "model": "scripted", "script": [rule]}}


QUICK = scripted(chunks=["one ", "two ", "three"])
HELD: dict[str, Any] = {"name": "held", "model": MODEL}
WORDS = ("word ",) * 30
BROKEN = scripted(error={"status": 400})
READER: dict[str, Any] = {"name": "reader", "model": "local:extractive", "tools": ["file_read"]}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, signed in as somebody new."""
    async with sign_up(api) as client:
        yield client


async def open_session(client: httpx.AsyncClient, definition: dict[str, Any]) -> str:
    made = await client.post("/agents", json=definition)
    assert made.status_code == 201, made.text
    opened = await client.post("/sessions", json={"agent_id": made.json()["id"]})
    assert opened.status_code == 201, opened.text
    return str(opened.json()["id"])


async def frames(answer: httpx.Response) -> AsyncIterator[tuple[str, str | None, dict[str, Any]]]:
    """The kind, id and data of each frame, as they arrive."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and fields:
            yield fields["event"], fields.get("id"), json.loads(fields["data"])
            fields = {}


async def say(client: httpx.AsyncClient, session: str, text: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    path = f"/sessions/{session}/messages"
    async with client.stream("POST", path, json={"input": text}) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [frame async for frame in frames(answer)]


async def history(client: httpx.AsyncClient, session: str) -> list[dict[str, Any]]:
    return (await client.get(f"/sessions/{session}/history")).json()["items"]


async def ended(client: httpx.AsyncClient, session: str) -> list[dict[str, Any]]:
    """The session's log once its last run has ended."""

    async def whole() -> list[dict[str, Any]] | None:
        events = await history(client, session)
        return events if events and events[-1]["turn_complete"] else None

    return await until(whole)


async def first_words(answer: httpx.Response) -> None:
    """Read a stream up to the first words of the model."""
    async for kind, _, _ in frames(answer):
        if kind == "delta":
            return
    raise AssertionError("the model said nothing")


@asynccontextmanager
async def held(client: httpx.AsyncClient, port: int) -> AsyncGenerator[tuple[str, HeldModel]]:
    """A session, and its model, which is silent half way through its first answer until it is let go."""
    session = await open_session(client, HELD)
    async with HeldModel(WORDS).at(port) as model:
        yield session, model


@asynccontextmanager
async def heard(client: httpx.AsyncClient, session: str) -> AsyncGenerator[None]:
    """A message is being answered to somebody, who has heard the first words and leaves at the end."""
    async with client.stream("POST", f"/sessions/{session}/messages", json={"input": "hello"}) as answer:
        await first_words(answer)
        yield


async def test_a_message_is_answered_word_by_word_and_the_last_frame_holds_it_all(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, QUICK)
    for turn in range(2):
        said = await say(ada, session, f"turn {turn}")
        kinds = [kind for kind, _, _ in said]
        assert (kinds[0], kinds[-1]) == ("state", "final")
        assert set(kinds[1:-1]) == {"delta"}
        text = "".join(data["text"] for kind, _, data in said if kind == "delta")
        assert text == said[-1][2]["content"]["text"] == "one two three"
        assert [number for _, number, _ in said if number] == [str(2 * turn + 1), str(2 * turn + 2)]


async def test_tool_calls_and_results_are_frames_of_their_own(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, READER)
    await ada.put(
        f"/sessions/{session}/artifacts", params={"name": "notes.md"}, content=b"# Notes\n\nThe key is blue.\n"
    )
    said = await say(ada, session, "What does notes.md say of the key?")
    tools = [data for kind, _, data in said if kind == "tool"]
    assert tools[0]["content"]["calls"][0]["name"] == "file_read"
    assert tools[1]["content"]["result"]["is_error"] is False
    assert "blue" in said[-1][2]["content"]["text"]


async def test_a_turn_can_be_awaited_in_json(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, QUICK)
    answer = await ada.post(f"/sessions/{session}/messages", json={"input": "hello", "stream": False})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["text"]) == ("succeeded", "one two three")


async def test_a_failing_model_ends_the_stream_with_an_error(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, BROKEN)
    kind, _, data = (await say(ada, session, "hello"))[-1]
    assert kind == "error"
    assert data["turn_complete"] is True
    assert data["error_code"]


async def test_a_second_message_while_one_is_answered_is_refused_clearly(
    ada: httpx.AsyncClient, model_port: int
) -> None:
    async with held(ada, model_port) as (session, model):
        async with heard(ada, session):
            refused = await ada.post(f"/sessions/{session}/messages", json={"input": "second"})
        model.let_go()
        events = await ended(ada, session)
    assert refused.status_code == 409
    assert refused.json()["code"] == "session_busy"
    assert [event["seq"] for event in events] == [1, 2]


@pytest.mark.parametrize(("if_busy", "end_of_first"), [("enqueue", "succeeded"), ("interrupt", "cancelled")])
async def test_a_second_message_waits_for_the_first_or_interrupts_it_and_is_answered(
    ada: httpx.AsyncClient, model_port: int, if_busy: str, end_of_first: str
) -> None:
    async with held(ada, model_port) as (session, model), heard(ada, session):
        body = {"input": "second", "if_busy": if_busy}
        async with ada.stream("POST", f"/sessions/{session}/messages", json=body) as waiting:
            assert waiting.status_code == 200, await waiting.aread()
            told = frames(waiting)
            kind, _, state = await anext(told)
            assert (kind, state["state"]) == ("state", "queued")
            if if_busy == "enqueue":  # an interrupted answer ends although its model never goes on
                model.let_go()
            said = [frame async for frame in told]
        second = said[-1][2]
        assert (said[-1][0], second["content"]["text"]) == ("final", model.whole)
        events = await history(ada, session)
    first = events[0]["run_id"]
    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    assert [event["run_id"] for event in events] == [first, first, second["run_id"], second["run_id"]]
    assert (await ada.get(f"/runs/{first}")).json()["state"] == end_of_first
    said_first = events[1]["content"]["text"]
    assert said_first == model.whole if if_busy == "enqueue" else said_first.startswith(model.beginning)


async def test_when_the_client_leaves_the_turn_goes_on_and_can_be_followed(
    ada: httpx.AsyncClient, model_port: int
) -> None:
    async with held(ada, model_port) as (session, model):
        async with heard(ada, session):
            pass
        followed: list[tuple[str, str | None, dict[str, Any]]] = []
        async with ada.stream("GET", f"/sessions/{session}/events", headers={"Last-Event-ID": "0"}) as answer:
            async for frame in frames(answer):
                followed.append(frame)
                if frame[0] == "delta":
                    model.let_go()
    assert followed[-1][0] == "final"
    assert followed[-1][2]["content"]["text"] == "word " * 30
    assert [number for _, number, _ in followed if number] == ["1", "2"]
    assert [event["seq"] for event in await ended(ada, session)] == [1, 2]


async def test_a_stream_continues_after_the_last_event_that_a_client_has(ada: httpx.AsyncClient) -> None:
    session = await open_session(ada, QUICK)
    await say(ada, session, "hello")
    async with ada.stream("GET", f"/sessions/{session}/events", headers={"Last-Event-ID": "1"}) as answer:
        followed = [frame async for frame in frames(answer)]
    assert [(kind, number) for kind, number, _ in followed] == [("final", "2")]


async def test_another_persons_session_is_not_found(ada: httpx.AsyncClient, api: httpx.AsyncClient) -> None:
    session = await open_session(ada, QUICK)
    async with sign_up(api) as bob:
        said = await bob.post(f"/sessions/{session}/messages", json={"input": "hello"})
        followed = await bob.get(f"/sessions/{session}/events")
    assert (said.status_code, followed.status_code) == (404, 404)


async def test_an_instance_that_is_told_to_stop_hands_its_turn_to_a_worker(
    ada: httpx.AsyncClient, stack: Stack, model_port: int
) -> None:
    async with held(ada, model_port) as (session, _):
        async with heard(ada, session):
            await restart_gently(stack, "chat")
        events = await ended(ada, session)
    nodes = (await ada.get(f"/runs/{events[0]['run_id']}/nodes")).json()["items"]
    assert [node["attempt"] for node in nodes] == [2]
    assert events[-1]["content"]["text"] == "word " * 30
    assert [event["seq"] for event in events] == [1, 2]
