"""Run an agent node: from its prompt, or from where its journal ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.definitions import AgentSpec
from shared.domain.errors import FailedPrecondition
from shared.domain.journal import Journal, journal_path, read_journal
from shared.domain.nodes import Outcome
from shared.domain.states import NodeState
from shared.domain.templates import as_text
from shared.domain.tools import ToolCall, ToolResult, ToolSpec
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import Query
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import NodeRecorder


@dataclass(frozen=True, slots=True)
class ConfiguredTools:
    """The tool caller of an agent: each call with the configuration that the definition gives the tool."""

    recorder: NodeRecorder
    configs: Mapping[str, Mapping[str, Any]]

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of one call."""
        return await self.recorder.call(call, self.configs.get(call.name, {}))


async def run_agent_node(engine: Engine, context: NodeContext, recorder: NodeRecorder, turn: AgentTurn) -> Outcome:
    """Run the agent; the recorder has written all but the last step when this returns."""
    tools = ConfiguredTools(recorder, {use.name: use.config for use in turn.agent.tools})
    result = await engine.runner.run(turn, recorder, tools)
    return Outcome(
        state=NodeState.SUCCEEDED,
        output=result.output,
        usage=recorder.usage,
        messages=recorder.messages if context.log is not None else (),
        text=as_text(result.output),
    )


def prepare_turn(engine: Engine, context: NodeContext, agent: AgentSpec, prompt: str, journal: Journal) -> AgentTurn:
    """What the runner needs to know.

    Raises:
        FailedPrecondition: this deployment lacks one of the agent's tools.
    """
    return AgentTurn(
        agent=agent,
        tools=tool_specs(engine, agent),
        prompt=prompt,
        history=context.history,
        recorded=journal.messages,
        recorded_steps=journal.steps,
        recorded_usage=journal.usage,
        attempt=context.attempt.number,
    )


def tool_specs(engine: Engine, agent: AgentSpec) -> tuple[ToolSpec, ...]:
    """The tools that the agent may call.

    Raises:
        FailedPrecondition: this deployment lacks one of them.
    """
    found = {use.name: engine.toolbox.find(use.name) for use in agent.tools}
    missing = [name for name, spec in found.items() if spec is None]
    if missing:
        raise FailedPrecondition(f"this deployment has no tool named {', '.join(missing)}")
    return tuple(spec for spec in found.values() if spec is not None)


async def read_node_journal(engine: Engine, context: NodeContext) -> Journal:
    """What earlier attempts recorded; a first attempt needs no read."""
    if context.attempt.number == 1:
        return Journal()
    entries = await engine.core.documents.query(Query(journal_path(context.run_id, context.instance)))
    return read_journal((entry.id, entry.fields) for entry in entries if entry.fields is not None)
