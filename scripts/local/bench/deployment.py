"""A deployment in this process, for what is measured without the task hop: the real engine and runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from scripts.local.bench.counted_documents import CountedDocuments
from shared.adapters.cel.conditions import CelConditions
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.domain.agents import Agent, AgentVersion, agent_path, version_path
from shared.domain.ids import AgentId, Uid
from shared.domain.records import render, to_json
from shared.domain.tool_definitions import ToolKit
from shared.domain.tools import Effect, ToolCall, ToolResult, ToolSpec
from shared.domain.writes import Create
from shared.ports.documents import Documents
from shared.ports.tools import Tool, ToolContext
from shared.usecases.nodes.engine import Core, Engine
from shared.usecases.nodes.execute_node import execute_node
from shared.usecases.runs.start_run import RunRequest, StartedRun, start_run

OWNER = Uid("bench")


class EchoToolbox:
    """One tool that gives back its value at once, so that what is measured is the engine."""

    async def tools_for(self, kit: ToolKit, context: ToolContext) -> Mapping[str, Tool]:
        """The tool `echo`."""
        del kit, context
        return {"echo": Tool(ToolSpec("echo", "gives back its value", Effect.NONE, {"type": "object"}), _echo)}


async def _echo(call: ToolCall) -> ToolResult:
    return ToolResult(call.arguments["value"])


@dataclass(slots=True)
class Deployment:
    """The engine over one store, with a queue that is pumped here."""

    documents: CountedDocuments
    queue: MemoryTaskQueue
    engine: Engine

    async def make_agent(self, **definition: Any) -> AgentId:
        """An agent of the bench's."""
        core = self.engine.core
        agent_id, now = AgentId(core.ids.new()), core.clock.now()
        raw: dict[str, Any] = {"name": "bench", "model": "local:extractive", **definition}
        agent = Agent(agent_id, OWNER, "bench", "", "user", 1, "1", now, now)
        version = AgentVersion(agent_id, OWNER, 1, "1", to_json(raw), "", OWNER, now)
        await self.documents.commit(
            [Create(agent_path(agent_id), render(agent)), Create(version_path(agent_id, 1), render(version))]
        )
        return agent_id

    async def start(self, agent_id: AgentId, items: int = 0) -> StartedRun:
        """A run of an agent, whose input has so many `items`."""
        asked = {"text": "go", "items": list(range(items))}
        return await start_run(self.engine.core, RunRequest(caller=OWNER, agent_id=agent_id, input=asked))

    async def drain(self, workers: int) -> None:
        """Execute what is enqueued, `workers` nodes at a time, until nothing is."""
        running: set[asyncio.Task[Any]] = set()
        while running or self.queue.pending:
            while self.queue.pending and len(running) < workers:
                task = self.queue.pending.popleft()
                running.add(asyncio.ensure_future(execute_node(self.engine, task.run_id, task.instance)))
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()


@asynccontextmanager
async def deployment(inner: Documents) -> AsyncGenerator[Deployment, None]:
    """A deployment over a store."""
    documents, queue = CountedDocuments(inner), MemoryTaskQueue()
    core = Core(documents, queue, SystemClock(), SystemIds())

    def report(error: BaseException) -> None:
        raise error

    engine = Engine(
        core=core,
        runner=PydanticAiRunner(Models(ProviderSettings())),
        toolbox=EchoToolbox(),
        conditions=CelConditions(),
        report_defect=report,
    )
    yield Deployment(documents, queue, engine)
