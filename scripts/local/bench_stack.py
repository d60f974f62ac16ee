"""What a person waits for, through the whole stack: the first visible word."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from scripts.local.api import Api, Person, api_client
from scripts.local.bench_figures import Figure, median_figure
from scripts.local.bench_graphs import ended_run
from scripts.local.environment import PROJECT
from scripts.local.listener import Listener, emulator_channels
from scripts.local.processes import HOST
from scripts.local.stack import Stack
from scripts.local.watch import SessionWatch

_FIRST_DELAY_SECONDS = 0.2


@asynccontextmanager
async def signed_in(stack: Stack) -> AsyncGenerator[tuple[Api, Person, httpx.AsyncClient, Listener], None]:
    """A new person with a client and a listener."""
    firestore = f"{HOST}:{stack.settings.ports.emulators.firestore}"
    async with api_client(stack.api) as client:
        api = Api(client)
        person = await api.register(f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(12))
        async with Listener(emulator_channels(firestore), PROJECT, lambda: person.token) as listener:
            yield api, person, client, listener


def scripted(delay_seconds: float, repeat: int = 1) -> dict[str, Any]:
    """A model that says one word after each pause."""
    rule = {"chunks": ["word "], "repeat": repeat, "delay_seconds": delay_seconds}
    return {"provider": "local", "model": "scripted", "script": [rule]}


async def first_words(stack: Stack, repeat: int) -> list[Figure]:
    """Time to the first visible word over the model's own, by SSE and by listener, in `chat` and in `worker`."""
    sse: list[float] = []
    listened: list[float] = []
    queued: list[float] = []
    async with signed_in(stack) as (api, person, client, listener):
        definition = {"name": "talker", "model": scripted(_FIRST_DELAY_SECONDS, repeat=10)}
        agent = await api.create_agent(definition)
        for round_ in range(repeat + 1):
            session = await api.open_session(agent)
            async with SessionWatch(listener, session, person.uid) as watch:
                await anext(watch.changes())  # listens, to an empty log
                begun = time.perf_counter()
                heard = asyncio.create_task(_first_live(watch, begun))
                told = await _first_delta(client, person, session, begun)
                seen = await heard
            other = await api.open_session(agent)
            async with SessionWatch(listener, other, person.uid) as watch:
                await anext(watch.changes())
                begun = time.perf_counter()
                heard = asyncio.create_task(_first_live(watch, begun))
                run = await api.start_run(other, "Talk.")
                enqueued = await heard
                await ended_run(api, run)
            if round_:  # the first round warms everything up
                sse.append(told)
                listened.append(seen)
                queued.append(enqueued)
    return [
        median_figure("first word over the model's own, SSE from chat", sse, "ms"),
        median_figure("first word over the model's own, listener, chat", listened, "ms"),
        median_figure("first word over the model's own, listener, worker", queued, "ms"),
    ]


async def _first_live(watch: SessionWatch, begun: float) -> float:
    async for view in watch.changes():
        if view.live_text or view.finished:
            return _over_model(begun)
    raise AssertionError("the watch has no end")


async def _first_delta(client: httpx.AsyncClient, person: Person, session: str, begun: float) -> float:
    """Milliseconds to the first word; reads on to the end of the turn."""
    first: float | None = None
    headers = {"Authorization": f"Bearer {person.token}"}
    path = f"/sessions/{session}/messages"
    async with client.stream("POST", path, json={"input": "Talk."}, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if first is None and line == "event: delta":
                first = _over_model(begun)
    if first is None:
        raise RuntimeError(f"the turn brought no word: {answer.status_code}")
    return first


def _over_model(begun: float) -> float:
    return (time.perf_counter() - begun - _FIRST_DELAY_SECONDS) * 1000
