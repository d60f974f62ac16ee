"""What a person waits for on the whole stack: the first visible token, and a graph's nodes with their task hop."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from scripts.local.api import Api, api_client
from scripts.local.bench.figures import Figure
from scripts.local.bench.graphs import Nodes, chain, fan_out, lattice
from scripts.local.environment import Ports, StackSettings
from scripts.local.listener import Listener
from scripts.local.stack import Stack
from scripts.local.watch import SessionWatch

_DELAY_SECONDS = 0.2
_MOST_SECONDS = 60
_CHUNKS = 30
"""Long enough that a listener is there before the answer is whole."""
_FIND: dict[str, Any] = {"kind": "tool", "tool": "find", "arguments": {"glob": "*"}}
_SLEEP_SECONDS = 0.05
_ITEMS = 100
_ENDED = {"succeeded", "failed", "cancelled"}


async def measure(rounds: int) -> list[Figure]:
    """All of it, on a staged stack of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = StackSettings(Ports.free(), logs=Path(folder) / "logs", staged=True)
        with Stack(settings) as stack:
            async with api_client(stack.api) as client:
                api = Api(client)
                await api.register("bench", "bench-the-loom-1")
                return [*await _first_token(stack, client, api, rounds), *await _graphs(api, max(1, rounds // 2))]


async def _first_token(stack: Stack, client: httpx.AsyncClient, api: Api, rounds: int) -> list[Figure]:
    """From the request to the first visible text, over what the model takes for it."""
    session = await api.open_session(await api.create_agent(_scripted("talker", _DELAY_SECONDS, _CHUNKS)))
    await _say(client, api, session)
    streamed = [await _say(client, api, session) for _ in range(rounds)]
    listened = [await _listen(stack, client, api, session) for _ in range(rounds)]
    note = f"median of {rounds}, request to first text, less the model's {_DELAY_SECONDS:g} s"
    return [
        Figure("first visible token", "SSE", (statistics.median(streamed) - _DELAY_SECONDS) * 1000, "ms", note=note),
        Figure("first visible token", "listener", (statistics.median(listened) - _DELAY_SECONDS) * 1000, "ms"),
    ]


async def _say(client: httpx.AsyncClient, api: Api, session: str) -> float:
    """Seconds to the first delta over SSE; the turn is read to its end."""
    assert api.person is not None  # noqa: S101 - it has registered
    headers = {"Authorization": f"Bearer {api.person.token}"}
    first = 0.0
    began = time.perf_counter()
    path = f"/sessions/{session}/messages"
    async with client.stream("POST", path, json={"input": "go"}, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line == "event: delta" and not first:
                first = time.perf_counter() - began
    return first


async def _listen(stack: Stack, client: httpx.AsyncClient, api: Api, session: str) -> float:
    """Seconds to the first text that a listener shows, while somebody else asks over SSE."""
    person = api.person
    assert person is not None  # noqa: S101 - it has registered
    firestore = stack.settings.ports.emulators.environment["FIRESTORE_EMULATOR_HOST"]
    async with (
        grpc.aio.insecure_channel(firestore) as channel,
        Listener(channel, stack.settings.project, lambda: person.token) as listener,
        SessionWatch(listener, session, person.uid) as watch,
        asyncio.timeout(_MOST_SECONDS),
    ):
        changes = watch.changes()
        await anext(changes)
        began = time.perf_counter()
        saying = asyncio.create_task(_say(client, api, session))
        async for view in changes:
            if view.live_text:
                break
        first = time.perf_counter() - began
        await saying
        return first


async def _graphs(api: Api, rounds: int) -> list[Figure]:
    """(Wall time less the critical path) per node, with empty nodes and with nodes of 50 ms."""
    sleep: dict[str, Any] = {"kind": "agent", "prompt": "go"}
    item: dict[str, Any] = {"kind": "agent", "prompt": "{{ item }}"}
    shapes: list[tuple[str, Nodes, int, int]] = [
        ("chain of 20, empty", chain(20, _FIND), 20, 0),
        ("10 by 10, empty", lattice(10, 10, _FIND), 100, 0),
        ("chain of 20, 50 ms", chain(20, sleep), 20, 20),
        ("fan-out of 100, 50 ms", fan_out(item), 102, 1),
        ("10 by 10, 50 ms", lattice(10, 10, sleep), 100, 10),
    ]
    figures: list[Figure] = []
    for name, nodes, count, depth in shapes:
        definition = {**_scripted(f"g{len(figures)}", _SLEEP_SECONDS, 1), "type": "graph", "graph": {"nodes": nodes}}
        agent = await api.create_agent(definition)
        walls = [await _run(api, agent) for _ in range(rounds)]
        critical = depth * _SLEEP_SECONDS
        over = (statistics.median(walls) - critical) / count * 1000
        note = f"wall {statistics.median(walls):.2f} s, critical path {critical:.2f} s, median of {rounds}"
        figures.append(Figure("graph overhead per node", name, over, "ms", note=note))
    return figures


async def _run(api: Api, agent: str) -> float:
    """The wall time of one run, from its own record."""
    run = await api.send(
        "POST", "/runs", json={"agent_id": agent, "input": {"text": "go", "items": list(range(_ITEMS))}}
    )
    async with asyncio.timeout(300):
        while run["state"] not in _ENDED:
            await asyncio.sleep(0.05)
            run = await api.send("GET", f"/runs/{run['id']}")
    if run["state"] != "succeeded":
        raise RuntimeError(f"the run ended as {run['state']}: {run['error']}")
    return (_instant(run["completed_at"]) - _instant(run["created_at"])).total_seconds()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _scripted(name: str, delay_seconds: float, chunks: int) -> dict[str, Any]:
    rule = {"chunks": ["word "], "repeat": chunks, "delay_seconds": delay_seconds}
    return {"name": f"bench_{name}", "model": {"provider": "local", "model": "scripted", "script": [rule]}}
