"""What a graph costs per node, through the whole stack, and what its parts take of that.

A node calls one tool: an empty one `calculator`, one of 50 ms an HTTP tool whose server answers after that time. A wide
layer is a map. Between two nodes there is always a task of the queue.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import psutil

from scripts.local.api import Api
from scripts.local.bench_figures import Figure, median_figure
from scripts.local.bench_shapes import CHAIN, FAN_100, FAN_500, FAN_5000, JOBS, WIDE, Job, Shape
from scripts.local.stack import Stack

_EMPTY = {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1 + 1"}}
_PAUSE = {"kind": "tool", "tool": "pause"}
_MAX_POLL_SECONDS = 2.0
_POLL_SHARE = 0.1
_END_SECONDS = 900
_PATH_MARK = 20
WIDE_JOB = Job(FAN_500, pauses=True)
"""A fan-out whose nodes wait for a server."""
_EMPTY_JOB = Job(FAN_500, pauses=False)


class Engine(Protocol):
    """What executes graphs: Fireloom, or a peer."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    async def execute(self, job: Job) -> float:
        """Execute a graph; the seconds that it took."""
        ...


@dataclass(slots=True)
class Fireloom:
    """Fireloom, over HTTP.

    Args:
        api: as somebody who is signed in.
        pauses: the address of the server that pauses.
    """

    api: Api
    pauses: str
    name: str = "Fireloom"
    agents: dict[Job, str] = field(default_factory=dict[Job, str])

    async def execute(self, job: Job) -> float:
        """Run the agent of the graph; from the run's creation to its end, as it says itself."""
        if job not in self.agents:
            self.agents[job] = await self.api.create_agent(definition_of(job, self.pauses))
        started = await self.api.send(
            "POST", "/runs", json={"agent_id": self.agents[job], "input": input_of(job.shape)}
        )
        run = await ended_run(self.api, started["id"])
        return (_instant(run["completed_at"]) - _instant(run["created_at"])).total_seconds()


def definition_of(job: Job, pauses: str) -> dict[str, Any]:
    """The agent whose graph has the shape."""
    tool = {"name": "pause", "description": "Answers after a while.", "url": pauses}
    return {
        "name": f"bench-{len(job.shape.layers)}-{max(job.shape.layers)}-{job.node_seconds * 1000:.0f}",
        "type": "graph",
        "model": "local:extractive",  # none of its nodes asks it
        "graph": {"nodes": nodes_of(job.shape, _PAUSE if job.pauses else _EMPTY)},
        **({"http_tools": [tool]} if job.pauses else {}),
    }


def nodes_of(shape: Shape, node: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of a graph of that shape, each like `node`."""
    nodes: dict[str, Any] = {}
    before: list[str] = []
    for number, width in enumerate(shape.layers):
        if width > WIDE:
            layer = {f"layer{number}": {"kind": "map", "over": f"{{{{ input.items{width} }}}}", "body": dict(node)}}
        else:
            layer = {f"node{number}_{place}": dict(node) for place in range(width)}
        nodes |= {name: {**vertex, "after": before} for name, vertex in layer.items()}
        before = list(layer)
    return nodes


def input_of(shape: Shape) -> dict[str, Any]:
    """What the maps of that shape go over."""
    return {"text": "go", **{f"items{width}": list(range(width)) for width in shape.layers if width > WIDE}}


async def ended_run(api: Api, run_id: str) -> dict[str, Any]:
    """The run, once it has succeeded; asked for ever more seldom, because asking takes part of what is measured.

    Raises:
        RuntimeError: it ended otherwise.
    """
    begun = time.perf_counter()
    async with asyncio.timeout(_END_SECONDS):
        while True:
            run = await api.send("GET", f"/runs/{run_id}")
            if run["state"] == "succeeded":
                return run
            if run["state"] in {"failed", "cancelled"}:
                raise RuntimeError(f"run {run_id} {run['state']}: {run['error']}")
            elapsed = time.perf_counter() - begun
            await asyncio.sleep(min(max(elapsed * _POLL_SHARE, _POLL_SHARE), _MAX_POLL_SECONDS))


Walls = dict[tuple[str, Job], list[float]]
"""Seconds by engine and graph."""


async def measure(engines: Sequence[Engine], repeat: int, say: Callable[[str], None]) -> Walls:
    """Let the engines execute every graph in turn, so that what else the machine does falls on all alike.

    Args:
        engines: they are warmed up first.
        repeat: how often; graphs of many nodes half as often.
        say: told how far it is.
    """
    walls: Walls = {}
    for engine in engines:
        for shape in (CHAIN, FAN_100):
            for pauses in (False, True):
                await engine.execute(Job(shape, pauses))
    for job in JOBS:
        say(job.label)
        for _ in range(repeat if job.shape.nodes <= FAN_100.nodes else max(repeat // 2, 1)):
            for engine in engines:
                walls.setdefault((engine.name, job), []).append(await engine.execute(job))
    return walls


def overhead_figures(walls: Walls, engine: str) -> list[Figure]:
    """Milliseconds per node beyond the critical path, for each graph that an engine executed."""
    return [
        median_figure(f"{engine}, per node, {job.label}", [job.overhead(wall) for wall in seconds], "ms")
        for (name, job), seconds in walls.items()
        if name == engine
    ]


def path_figure(walls: Walls) -> Figure:
    """How much longer the widest graph takes than its critical path."""
    path = WIDE_JOB.shape.critical_path(WIDE_JOB.node_seconds)
    ratios = [wall / path for wall in walls[("Fireloom", WIDE_JOB)]]
    return median_figure(f"{WIDE_JOB.label}, wall", ratios, "x path", _PATH_MARK)


def floor_figures(seconds: Sequence[float]) -> list[Figure]:
    """What of that falls on the queue: how long as many tasks take to an empty worker."""
    path = WIDE_JOB.shape.critical_path(WIDE_JOB.node_seconds)
    nodes = WIDE_JOB.shape.nodes
    return [
        median_figure("of it the queue and its client", [wall / path for wall in seconds], "x path"),
        Figure("of it the queue and its client, per node", statistics.median(seconds) / nodes * 1000, "ms"),
    ]


async def widest(fireloom: Fireloom) -> list[Figure]:
    """A fan-out that takes long, and ends."""
    wall = await fireloom.execute(Job(FAN_5000, pauses=False))
    return [
        Figure(f"{FAN_5000.name}, empty nodes, wall", wall, "s"),
        Figure(f"{FAN_5000.name}, empty nodes, per node", FAN_5000.overhead(wall, 0), "ms"),
    ]


async def processor_times(
    parts: Mapping[str, int], execute: Callable[[Job], Awaitable[float]], job: Job = _EMPTY_JOB
) -> list[Figure]:
    """Processor time per node of the processes that take part; it tells something on a busy machine, too.

    Args:
        parts: process ids by what the table calls them; their children count as theirs.
        execute: what executes a graph.
        job: the graph.
    """
    before = {name: _processor_seconds(pid) for name, pid in parts.items()}
    await execute(job)
    after = {name: _processor_seconds(pid) for name, pid in parts.items()}
    return [
        Figure(f"processor time per node, {name}", (after[name] - before[name]) / job.shape.nodes * 1000, "ms")
        for name in parts
    ]


def parts_of(stack: Stack) -> dict[str, int]:
    """The processes of the stack that take part in a graph."""
    names = {"firestore": "Firestore emulator", "tasks": "queue emulator"}
    emulators = {
        names[word]: program.pid for word in names for program in stack.emulators.programs if word in program.name
    }
    return {"worker": stack.functions["worker"].pid, **emulators}


def _processor_seconds(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(map(_own_processor_seconds, family))


def _own_processor_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # a child that has ended meanwhile: a database has such
    return times.user + times.system


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
