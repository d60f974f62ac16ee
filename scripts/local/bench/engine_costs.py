"""What the engine costs without the task hop: over a bare agent, in round trips, in documents, and in a wide join."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic_ai import Agent

from scripts.local.bench.deployment import OWNER, deployment
from scripts.local.bench.figures import TIMES, Figure
from scripts.local.bench.graphs import Nodes, chain, fan_out, lattice
from scripts.local.emulators import EmulatorPorts, Emulators
from scripts.local.environment import PROJECT
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.domain.definitions import ModelSpec
from shared.domain.writes import Write
from shared.ports.agent_runner import AgentResult, AgentRunner, AgentTurn, StepSink, ToolCaller
from shared.ports.documents import Committed, Documents, Query, Snapshot
from shared.usecases.runs.start_run import RunRequest
from shared.usecases.sessions.answer_message import answer_message

_SCRIPT: dict[str, Any] = {"provider": "local", "model": "scripted", "script": [{"chunks": ["a short answer"]}]}
_ECHO: dict[str, Any] = {"kind": "tool", "tool": "echo", "arguments": {"value": 1}}
_ITEM: dict[str, Any] = {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ item }}"}}
_TRIP_SECONDS = 0.05
_JOIN = 500
_WORKERS = 32
_ROUND_TRIP_MARK = 3


async def measure(rounds: int) -> list[Figure]:
    """All of it, on emulators of its own."""
    figures = [*await _documents_per_run(), *await _round_trips()]
    with tempfile.TemporaryDirectory() as folder, Emulators(PROJECT, EmulatorPorts.free(), Path(folder)) as emulators:
        os.environ.update(emulators.ports.environment)
        figures += await _run_overhead(rounds * 6)
        figures += await _wide_join()
    return figures


async def _run_overhead(times: int) -> list[Figure]:
    """A whole run on the Firestore emulator over a bare `Agent.run` of the same model."""
    model = await Models(ProviderSettings()).get(ModelSpec.model_validate(_SCRIPT), 1)
    agent = Agent(model)
    documents = FirestoreDocuments(PROJECT)
    async with deployment(documents) as bench:
        agent_id = await bench.make_agent(model=_SCRIPT)

        async def whole() -> None:
            await bench.start(agent_id)
            await bench.drain(1)

        async def bare() -> None:
            await agent.run("go")

        bare_seconds, whole_seconds = await _paired(bare, whole, times)
    await documents.close()
    note = f"medians of {times}, in turns; Firestore emulator, no task hop"
    return [
        Figure("run overhead", "bare Agent.run", bare_seconds * 1000, "ms"),
        Figure("run overhead", "a whole run over it", whole_seconds / bare_seconds, TIMES, note=note),
    ]


async def _paired(
    first: Callable[[], Awaitable[None]], second: Callable[[], Awaitable[None]], times: int
) -> tuple[float, float]:
    """The medians of two things that are measured in turns, after one unmeasured time each."""
    taken: tuple[list[float], list[float]] = ([], [])
    for at in range(times + 1):
        for what, kept in zip((first, second), taken, strict=True):
            began = time.perf_counter()
            await what()
            if at:
                kept.append(time.perf_counter() - began)
    return statistics.median(taken[0]), statistics.median(taken[1])


async def _documents_per_run() -> list[Figure]:
    """Billed reads and writes of whole runs, counted on the memory store."""
    shapes: list[tuple[str, dict[str, Any], int]] = [
        ("single, one step", {"model": _SCRIPT}, 1),
        ("chain of 20", _graph(chain(20, _ECHO)), 20),
        ("fan-out of 100", _graph(fan_out(_ITEM)), 102),
        ("10 by 10", _graph(lattice(10, 10, _ECHO)), 100),
    ]
    figures: list[Figure] = []
    for name, definition, nodes in shapes:
        async with deployment(MemoryDocuments()) as bench:
            agent_id = await bench.make_agent(**definition)
            reads, writes = bench.documents.reads, bench.documents.writes
            await bench.start(agent_id, 100)
            await bench.drain(_WORKERS)
            reads, writes = bench.documents.reads - reads, bench.documents.writes - writes
        per_node = f"{reads} and {writes} for {nodes} nodes, the run's own included"
        figures.append(Figure("documents", f"reads per node, {name}", reads / nodes, "reads", note=per_node))
        figures.append(Figure("documents", f"writes per node, {name}", writes / nodes, "writes"))
    return figures


async def _round_trips() -> list[Figure]:
    """Sequential requests to the store before the model is asked, with a store that is far away."""
    figures: list[Figure] = []
    async with deployment(MemoryDocuments()) as bench:
        agent_id = await bench.make_agent(model=_SCRIPT)
        started = await bench.start(agent_id)
        asked = _Asked(bench.engine.runner)
        far = replace(bench.engine.core, documents=_Far(bench.documents))
        engine = replace(bench.engine, core=far, runner=asked)
        began = time.perf_counter()
        bench.engine = engine
        await bench.drain(1)
        figures.append(_trips("worker", asked.at - began))
        for _ in range(2):
            request = RunRequest(OWNER, "go", session_id=started.run.session_id)
            began = time.perf_counter()
            turn = await answer_message(engine, request)
            async for _update in turn.updates():
                pass
        figures.append(_trips("chat, version known; the edge adds one", asked.at - began))
    return figures


def _trips(where: str, seconds: float) -> Figure:
    trips = round(seconds / _TRIP_SECONDS, 0)
    return Figure("round trips before the model", where, trips, "sequential", _ROUND_TRIP_MARK)


async def _wide_join() -> list[Figure]:
    """A join of 500, executed by 32 workers at once: no commit may be aborted."""
    documents = FirestoreDocuments(PROJECT)
    async with deployment(documents) as bench:
        agent_id = await bench.make_agent(**_graph(fan_out(_ITEM)))
        began = time.perf_counter()
        await bench.start(agent_id, _JOIN)
        await bench.drain(_WORKERS)
        seconds = time.perf_counter() - began
        aborted, refused = bench.documents.unknown, bench.documents.refused
    await documents.close()
    note = f"{_WORKERS} at once; {refused} commits refused by a condition"
    return [
        Figure("join of 500", "aborted commits", aborted, "commits", 0, note),
        Figure("join of 500", "per node", seconds / _JOIN * 1000, "ms", note="no task hop"),
    ]


def _graph(nodes: Nodes) -> dict[str, Any]:
    return {"type": "graph", "graph": {"nodes": nodes}}


@dataclass(slots=True)
class _Asked:
    """A runner that notes when it was called last."""

    inner: AgentRunner
    at: float = field(default=0.0)

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        self.at = time.perf_counter()
        return await self.inner.run(turn, sink, tools)

    def history(self, prompt: str, output: str) -> Sequence[str]:
        return self.inner.history(prompt, output)


@dataclass(frozen=True, slots=True)
class _Far:
    """A store that is a while away."""

    inner: Documents

    async def get(self, path: str) -> Snapshot:
        await asyncio.sleep(_TRIP_SECONDS)
        return await self.inner.get(path)

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        await asyncio.sleep(_TRIP_SECONDS)
        return await self.inner.get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        await asyncio.sleep(_TRIP_SECONDS)
        return await self.inner.query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        await asyncio.sleep(_TRIP_SECONDS)
        return await self.inner.commit(writes)
