"""What the engine does to Firestore, counted in one process against the emulator."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

from pydantic_ai import Agent

from scripts.local.bench_figures import Figure, median_figure
from scripts.local.environment import StackSettings
from shared.adapters.pydantic_ai.local_scripted import ScriptedModel
from shared.composition.engine import connect_process
from shared.domain.agents import Proposal
from shared.domain.definitions import AgentDefinition
from shared.domain.ids import AgentId, Uid
from shared.domain.model_specs import ScriptedRule
from shared.domain.writes import Write
from shared.ports.agent_runner import AgentResult, AgentRunner, AgentTurn, StepSink, ToolCaller
from shared.ports.documents import CommitRefused, Committed, Documents, OutcomeUnknown, Query, Snapshot
from shared.ports.identity import Identity
from shared.ports.task_queue import NodeTask
from shared.settings import load_settings
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.shelf import Shelf
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.execute_node import execute_node
from shared.usecases.runs.start_run import RunRequest, start_run

T = TypeVar("T")
ANN = Uid("ann")
_JOIN_WIDTH = 500
_CONCURRENT = 32
_ROUND_TRIPS_MARK = 3
_SCRIPT = (ScriptedRule(chunks=("word ",)),)


@dataclass(slots=True)
class Counts:
    """Operations on Firestore, as they are billed, and how they wait for each other.

    Args:
        rounds: how often an operation began while none was under way: round trips one after the other.
        refused: commits that were refused, or whose outcome was lost.
    """

    reads: int = 0
    writes: int = 0
    commits: int = 0
    refused: int = 0
    rounds: int = 0
    under_way: int = 0


class CountingDocuments:
    """Counts what goes through to a store."""

    def __init__(self, documents: Documents) -> None:
        """Stand before `documents`."""
        self.counts = Counts()
        self._documents = documents

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        self.counts.reads += 1
        return await self._counted(self._documents.get(path))

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents."""
        self.counts.reads += len(paths)
        return await self._counted(self._documents.get_many(paths))

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match; a query that finds none is billed as one read."""
        found = await self._counted(self._documents.query(query))
        self.counts.reads += max(len(found), 1)
        return found

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none."""
        self.counts.commits += 1
        try:
            committed = await self._counted(self._documents.commit(writes))
        except (CommitRefused, OutcomeUnknown):
            self.counts.refused += 1
            raise
        self.counts.writes += len(writes)
        return committed

    async def _counted(self, operation: Awaitable[T]) -> T:
        self.counts.rounds += not self.counts.under_way
        self.counts.under_way += 1
        try:
            return await operation
        finally:
            self.counts.under_way -= 1


class NotingRunner:
    """Notes how many round trips there were before the first model call."""

    def __init__(self, runner: AgentRunner, counts: Callable[[], Counts]) -> None:
        """Stand before `runner`."""
        self.rounds: list[int] = []
        self._runner = runner
        self._counts = counts

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        """Run one turn to its end."""
        self.rounds.append(self._counts().rounds)
        return await self._runner.run(turn, sink, tools)

    def history(self, prompt: str, output: str) -> Sequence[str]:
        """Messages that record a turn."""
        return self._runner.history(prompt, output)


class LocalQueue:
    """Delivers tasks in this process, so many at a time."""

    def __init__(self) -> None:
        """Start empty."""
        self.tasks: asyncio.Queue[NodeTask] = asyncio.Queue()
        self._names: set[str] = set()

    async def enqueue(self, tasks: Sequence[NodeTask]) -> None:
        """Take tasks; a name that was used is swallowed."""
        for task in tasks:
            if task.name not in self._names:
                self._names.add(task.name)
                self.tasks.put_nowait(task)

    async def drain(self, engine: Engine) -> None:
        """Execute tasks until there are none."""
        workers = [asyncio.create_task(self._work(engine)) for _ in range(_CONCURRENT)]
        await self.tasks.join()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, engine: Engine) -> None:
        while True:
            task = await self.tasks.get()
            if await execute_node(engine, task.run_id, task.instance) is Acknowledgement.BUSY:
                self.tasks.put_nowait(task)
            self.tasks.task_done()


class Rig:
    """The engine with counted documents and a queue in this process."""

    def __init__(self, settings: StackSettings, project: str) -> None:
        """Connect to the emulators of a stack, in a project of its own."""
        environ = {**settings.function_environment("worker"), "FIRELOOM_PROJECT": project}
        os.environ.update(settings.ports.emulators.environment)  # the vendors' clients look there
        engine = connect_process(load_settings(environ), {}).engine
        self.documents = CountingDocuments(engine.core.documents)
        self.queue = LocalQueue()
        self._numbers = count()
        self.runner = NotingRunner(engine.runner, lambda: self.documents.counts)
        core = replace(engine.core, documents=self.documents, queue=self.queue)
        self.engine = replace(engine, core=core, runner=self.runner)

    async def make_agent(self, **definition: Any) -> AgentId:
        """Create an agent."""
        script = {"provider": "local", "model": "scripted", "script": [rule.model_dump() for rule in _SCRIPT]}
        raw = {"name": f"bench-{next(self._numbers)}", "model": script, **definition}
        core = self.engine.core
        shelf = Shelf(core.documents, core.clock, core.ids)
        proposal = Proposal(AgentDefinition.model_validate(raw), raw)
        agent, _ = await create_agent(shelf, Identity(ANN, "user"), proposal)
        return agent.id

    async def run(self, agent_id: AgentId, value: str | Mapping[str, Any] = "go") -> tuple[Counts, Counts, float]:
        """Run to the end: what starting it took, what executing it took, and the seconds of executing."""
        self.documents.counts = Counts()
        request: dict[str, Any] = {"caller": ANN, "agent_id": agent_id, "input": value}
        await start_run(self.engine.core, RunRequest(**request))
        starting, self.documents.counts = self.documents.counts, Counts()
        begun = time.perf_counter()
        await self.queue.drain(self.engine)
        return starting, self.documents.counts, time.perf_counter() - begun


async def engine_figures(settings: StackSettings, repeat: int) -> list[Figure]:
    """Overhead, round trips, operations per run, and what becomes of commits in a wide join."""
    rig = Rig(settings, "demo-bench-engine")
    return [*await _single(rig, repeat), *await _mapped(rig), *await _joined(rig)]


async def _single(rig: Rig, repeat: int) -> list[Figure]:
    agent = await rig.make_agent()
    await rig.run(agent)
    runs = [await rig.run(agent) for _ in range(repeat * 4)]
    bare = [await _bare_run() for _ in range(repeat * 4 + 1)][1:]
    base = sorted(bare)[len(bare) // 2]
    starting, executing, _ = runs[-1]
    return [
        median_figure("bare Agent.run", [seconds * 1000 for seconds in bare], "ms"),
        median_figure("execute_node of the same", [seconds / base for _, _, seconds in runs], "x bare"),
        Figure("round trips before the model call, worker", rig.runner.rounds[-1], "trips", mark=_ROUND_TRIPS_MARK),
        Figure("round trips of POST /runs", starting.rounds, "trips", mark=_ROUND_TRIPS_MARK),
        *_operations("single run", starting, executing),
    ]


async def _mapped(rig: Rig) -> list[Figure]:
    starting, executing, _ = await rig.run(await _fan(rig), {"text": "go", "items": list(range(10))})
    return _operations("map over 10 items", starting, executing)


async def _joined(rig: Rig) -> list[Figure]:
    items = {"text": "go", "items": list(range(_JOIN_WIDTH))}
    starting, executing, seconds = await rig.run(await _fan(rig), items)
    return [
        Figure(f"{_JOIN_WIDTH}-way join, {_CONCURRENT} at once, commits", executing.commits, "commits"),
        Figure(f"{_JOIN_WIDTH}-way join, aborted commits", executing.refused, "commits", mark=0),
        Figure(f"{_JOIN_WIDTH}-way join, per node", seconds / _JOIN_WIDTH * 1000, "ms"),
        *_operations(f"map over {_JOIN_WIDTH} items", starting, executing),
    ]


async def _fan(rig: Rig) -> AgentId:
    body = {"kind": "agent", "prompt": "go"}
    nodes = {
        "each": {"kind": "map", "over": "{{ input.items }}", "body": body},
        "all": {"kind": "join", "after": ["each"]},
    }
    return await rig.make_agent(type="graph", graph={"nodes": nodes})


def _operations(label: str, starting: Counts, executing: Counts) -> list[Figure]:
    return [
        Figure(f"Firestore reads, {label}", starting.reads + executing.reads, "reads"),
        Figure(f"Firestore writes, {label}", starting.writes + executing.writes, "writes"),
    ]


async def _bare_run() -> float:
    begun = time.perf_counter()
    await Agent(ScriptedModel(_SCRIPT, 1, asyncio.sleep)).run("go")
    return time.perf_counter() - begun
