"""What a person waits for, through the whole stack: the first visible word, and the nodes of a graph."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import grpc.aio
import httpx

from scripts.local.api import Api, Person, api_client
from scripts.local.bench_figures import Figure, median_figure
from scripts.local.environment import PROJECT
from scripts.local.listener import Listener
from scripts.local.processes import HOST
from scripts.local.stack import Stack
from scripts.local.watch import SessionWatch

_FIRST_DELAY_SECONDS = 0.2
_NODE_SECONDS = 0.05
_MAP_ITEMS = 100
_PAUSE_SECONDS = 0.1
_END_SECONDS = 300


@asynccontextmanager
async def signed_in(stack: Stack) -> AsyncGenerator[tuple[Api, Person, httpx.AsyncClient, Listener], None]:
    """A new person with a client and a listener."""
    firestore = f"{HOST}:{stack.settings.ports.emulators.firestore}"
    async with api_client(stack.api) as client, grpc.aio.insecure_channel(firestore) as channel:
        api = Api(client)
        person = await api.register(f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(12))
        async with Listener(channel, PROJECT, lambda: person.token) as listener:
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
                await _end(api, run)
            if round_:  # the first round warms everything up
                sse.append(told)
                listened.append(seen)
                queued.append(enqueued)
    return [
        median_figure("first word over the model's own, SSE from chat", sse, "ms"),
        median_figure("first word over the model's own, listener, chat", listened, "ms"),
        median_figure("first word over the model's own, listener, worker", queued, "ms"),
    ]


async def graph_overheads(stack: Stack, repeat: int) -> list[Figure]:
    """(wall - critical path) / nodes, task hop included, for nodes of 50 ms."""
    figures: list[Figure] = []
    async with signed_in(stack) as (api, _, _, _):
        for label, nodes, depth, count in _shapes():
            model = scripted(_NODE_SECONDS)
            agent = await api.create_agent(
                {"name": f"shape-{depth}-{count}", "type": "graph", "model": model, "graph": {"nodes": nodes}}
            )
            overheads: list[float] = []
            for round_ in range(repeat + 1):
                body = {"agent_id": agent, "input": {"text": "go", "items": list(range(_MAP_ITEMS))}}
                run = await _end(api, (await api.send("POST", "/runs", json=body))["id"])
                wall = (_instant(run["completed_at"]) - _instant(run["created_at"])).total_seconds()
                if round_:
                    overheads.append((wall - depth * _NODE_SECONDS) / count * 1000)
            figures.append(median_figure(f"graph overhead per node, {label}", overheads, "ms"))
    return figures


def _shapes() -> Iterator[tuple[str, dict[str, Any], int, int]]:
    """Label, nodes, depth of the critical path, number of nodes."""
    agent = {"kind": "agent", "prompt": "go"}
    yield "chain of 20", {f"n{i}": {**agent, "after": [f"n{i - 1}"] if i else []} for i in range(20)}, 20, 20
    yield "fan-out of 100", {"all": {"kind": "map", "over": "{{ input.items }}", "body": agent}}, 1, _MAP_ITEMS
    layers = {
        f"n{layer}_{place}": {**agent, "after": [f"n{layer - 1}_{other}" for other in range(10)] if layer else []}
        for layer in range(10)
        for place in range(10)
    }
    yield "10 x 10", layers, 10, 100


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


async def _end(api: Api, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(_END_SECONDS):
        while True:
            run = await api.send("GET", f"/runs/{run_id}")
            if run["state"] == "succeeded":
                return run
            if run["state"] in {"failed", "cancelled"}:
                raise RuntimeError(f"run {run_id} {run['state']}: {run['error']}")
            await asyncio.sleep(_PAUSE_SECONDS)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
