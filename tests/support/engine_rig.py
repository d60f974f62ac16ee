"""The engine on memory adapters, with tools that count their calls, for tests of what it promises."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shared.adapters.cel.conditions import CelConditions
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.domain.agents import Proposal
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import FailedPrecondition
from shared.domain.ids import AgentId, Instance, RunId, SessionId, Uid
from shared.domain.nodes import NodeRun, node_path
from shared.domain.quotas import Quota
from shared.domain.records import from_json, parse
from shared.domain.run_bounds import MOST_NODE_RUNS
from shared.domain.runs import WAVE, Run, run_path
from shared.domain.tool_definitions import ToolKit
from shared.domain.tools import Attachment, Effect, ShownFile, ToolCall, ToolResult, ToolSpec
from shared.ports.documents import Documents, Query, Snapshot
from shared.ports.fact_topic import FactTopic
from shared.ports.identity import Identity
from shared.ports.task_queue import NodeTask
from shared.ports.tools import Tool, ToolContext
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.shelf import Shelf
from shared.usecases.nodes.engine import Core, Engine
from shared.usecases.nodes.execute_node import execute_node
from shared.usecases.runs.start_run import RunRequest, StartedRun, start_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.failing_documents import Died
from tests.support.scripted_runner import ScriptedRunner

ANN = Uid("ann")
LEASE_SECONDS = 30.0
_MOST_DELIVERIES = 400
_ANY: Mapping[str, Any] = {"type": "object"}


@dataclass(slots=True)
class CountingToolbox:
    """Tools given as functions of their arguments; every call is counted."""

    tools: dict[str, Callable[[Mapping[str, Any]], Any]]
    effects: dict[str, Effect] = field(default_factory=dict[str, Effect])
    calls: Counter[str] = field(default_factory=Counter[str])
    schemas: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    async def tools_for(self, kit: ToolKit, context: ToolContext) -> Mapping[str, Tool]:
        """The tools that are listed."""
        return {use.name: self._tool(use.name, context, asks=use.requires_approval) for use in kit.tools}

    async def show(self, attachment: Attachment, context: ToolContext) -> ShownFile:
        """The file's name, as if it were its content."""
        del context
        return ShownFile(attachment.mime_type, attachment.name.encode())

    def _tool(self, name: str, context: ToolContext, *, asks: bool) -> Tool:
        if name not in self.tools:
            raise FailedPrecondition(f"there is no tool named {name}")
        spec = ToolSpec(name, f"the tool {name}", self.effects.get(name, Effect.NONE), self.schemas.get(name, _ANY))
        return Tool(spec, partial(self.call, context=context), requires_approval=asks)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Call the function; an exception is the tool's failure."""
        self.calls[f"{context.instance} {call.name} {call.call_id}"] += 1
        try:
            result: Any = self.tools[call.name](call.arguments)
            if inspect.isawaitable(result):
                result = await result
        except ValueError as error:
            return ToolResult(str(error), is_error=True)
        return result if isinstance(result, ToolResult) else ToolResult(result)


@dataclass(slots=True)
class EngineRig:
    """One deployment in memory."""

    runner: ScriptedRunner = field(default_factory=ScriptedRunner)
    toolbox: CountingToolbox = field(default_factory=lambda: CountingToolbox({"echo": lambda args: args["value"]}))
    clock: MemoryClock = field(default_factory=MemoryClock)
    queue: MemoryTaskQueue = field(default_factory=MemoryTaskQueue)
    ids: MemoryIds = field(default_factory=MemoryIds)
    documents: Any = None
    quota: Quota = field(default_factory=Quota)
    wave: int = WAVE
    most_node_runs: int = MOST_NODE_RUNS
    topic: FactTopic | None = None
    defects: list[BaseException] = field(default_factory=list[BaseException])

    def __post_init__(self) -> None:
        """Make the store on the rig's clock."""
        if self.documents is None:
            self.documents = MemoryDocuments(self.clock)

    @property
    def core(self) -> Core:
        """The light ports."""
        ports = Core(self.documents, self.queue, self.clock, self.ids)
        return replace(ports, quota=self.quota, wave=self.wave, most_node_runs=self.most_node_runs, topic=self.topic)

    def engine(self, documents: Documents | None = None) -> Engine:
        """A worker process of its own: nothing is kept from another; `documents` stands between it and the store."""
        core = self.core if documents is None else replace(self.core, documents=documents)
        return Engine(core, self.runner, self.toolbox, CelConditions(), self.defects.append, LEASE_SECONDS)

    async def make_agent(self, **definition: Any) -> AgentId:
        """An agent of Ann's."""
        raw = {"name": "agent", "model": "local:scripted", **definition}
        proposal = Proposal(AgentDefinition.model_validate(raw), raw)
        shelf = Shelf(self.documents, self.clock, self.ids)
        agent, _ = await create_agent(shelf, Identity(ANN, "user"), proposal)
        return agent.id

    async def start(self, agent_id: AgentId | None = None, **request: Any) -> StartedRun:
        """Ask for a run as Ann."""
        asked: dict[str, Any] = {"caller": ANN, "agent_id": agent_id, "input": "hello", **request}
        return await start_run(self.core, RunRequest(**asked))

    async def deliver(self, task: NodeTask, documents: Documents | None = None) -> bool:
        """Deliver a task to a fresh worker; time goes on while it waits for nothing else."""
        engine = self.engine(documents)
        working = asyncio.ensure_future(execute_node(engine, task.run_id, task.instance))
        while not working.done():
            await self.clock.advance(0.01)
        return await working is Acknowledgement.DONE

    async def play(self, nodes: dict[str, Any]) -> Run:
        """A run of a graph of these nodes, at its end; three seconds pass after each task."""
        started = await self.start(await self.make_agent(type="graph", graph={"nodes": nodes}))
        while self.queue.pending:
            await self.queue.deliver_next(self.deliver)
            await self.clock.advance(3)
        return await self.run(started.run.id)

    async def drain(self) -> int:
        """Deliver every task until nothing is pending."""
        return await self.queue.drain(self.deliver)

    async def work(self, run_id: RunId | None, documents: Documents | None = None) -> None:
        """Deliver with a worker on a store of its own until that kills it, then with sound ones, until all is done.

        Args:
            run_id: the run that is to end; None to stop where the sweeper finds nothing to do.
            documents: the first worker's store.

        Raises:
            AssertionError: there is no end of it.
        """

        async def deliver(task: NodeTask) -> bool:
            return await self.deliver(task, documents)

        for _ in range(_MOST_DELIVERIES):
            if run_id is not None and not self.queue.pending and (await self.run(run_id)).completed_at is not None:
                return
            try:
                if await self.queue.deliver_next(deliver) is None:
                    await self.clock.advance(61)
                    await sweep_runs(self.core, LEASE_SECONDS)
                    if run_id is None and not self.queue.pending:
                        return
            except Died:
                documents = None
            await self.clock.advance(2)
        raise AssertionError(f"there is no end after {_MOST_DELIVERIES} deliveries")

    async def run(self, run_id: RunId) -> Run:
        """The run as stored."""
        return parse(Run, (await self.documents.get(run_path(run_id))).fields or {})

    async def node(self, run_id: RunId, instance: str) -> NodeRun:
        """A node run as stored."""
        return parse(NodeRun, (await self.documents.get(node_path(run_id, Instance(instance)))).fields or {})

    async def output(self, run_id: RunId) -> Any:
        """The run's output."""
        return from_json((await self.run(run_id)).output_json)

    async def output_of(self, run_id: RunId, instance: str) -> Any:
        """A node's output."""
        return from_json((await self.node(run_id, instance)).output_json)

    async def events(self, session_id: SessionId) -> list[dict[str, Any]]:
        """The session's log."""
        found: list[Snapshot] = await self.documents.query(Query(f"sessions/{session_id}/events"))
        return [dict(event.fields) for event in found if event.fields is not None]
