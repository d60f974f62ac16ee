"""Run an agent node: from its prompt, or from where its journal ends."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.definitions import AgentSpec
from shared.domain.errors import FailedPrecondition
from shared.domain.journal import Journal
from shared.domain.nodes import Outcome
from shared.domain.states import NodeState
from shared.domain.templates import as_text
from shared.domain.tools import Effect, ToolCall, ToolResult, ToolSpec
from shared.ports.agent_runner import AgentTurn
from shared.usecases.nodes.ask_delegate import PREFIX, Play, Question, ask_delegate, delegate_spec
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import Answer, NodeRecorder


async def run_agent_node(
    engine: Engine, context: NodeContext, recorder: NodeRecorder, agent: AgentSpec, prompt: str
) -> Outcome:
    """Run the agent; the recorder has written all but the last step when this returns.

    Raises:
        shared.domain.errors.DomainError: the agent or its model failed, or a limit was reached.
    """
    turn = prepare_turn(engine, context, agent, prompt, recorder.journal)
    result = await engine.runner.run(turn, recorder, AgentTools(engine, context, recorder, agent))
    return Outcome(
        state=NodeState.SUCCEEDED,
        output=result.output,
        usage=recorder.usage,
        messages=recorder.messages if context.log is not None else (),
        text=as_text(result.output),
    )


@dataclass(frozen=True, slots=True)
class AgentTools:
    """The tool caller of an agent: its delegates, and the toolbox with the configuration of the definition."""

    engine: Engine
    context: NodeContext
    recorder: NodeRecorder
    agent: AgentSpec

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of one call."""
        delegate = next((one for one in self.agent.delegates if f"{PREFIX}{one.name}" == call.name), None)
        if delegate is None:
            configs = {use.name: use.config for use in self.agent.tools}
            return await self.recorder.call(call, configs.get(call.name, {}))
        question = Question(delegate, call)

        async def ask() -> Answer:
            return await ask_delegate(self.engine, self.context, self.recorder, question, self._play(delegate.agent))

        return await self.recorder.answer(call, Effect.NONE, ask)

    async def refuse(self, call: ToolCall, message: str) -> None:
        """Record that a call is not executed."""

        async def refusal() -> Answer:
            return Answer(ToolResult(message, is_error=True))

        await self.recorder.answer(call, Effect.NONE, refusal)

    def _play(self, agent: AgentSpec) -> Play:
        async def play(context: NodeContext, recorder: NodeRecorder, prompt: str) -> Outcome:
            return await run_agent_node(self.engine, context, recorder, agent, prompt)

        return play


def prepare_turn(engine: Engine, context: NodeContext, agent: AgentSpec, prompt: str, journal: Journal) -> AgentTurn:
    """What the runner needs to know.

    Raises:
        FailedPrecondition: this deployment lacks one of the agent's tools.
    """
    return AgentTurn(
        agent=agent,
        tools=(*tool_specs(engine, agent), *(delegate_spec(delegate) for delegate in agent.delegates)),
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
