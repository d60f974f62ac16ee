"""Run an agent node: from its prompt, or from where its journal ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.definitions import AgentSpec
from shared.domain.errors import DomainError
from shared.domain.journal import Journal
from shared.domain.nodes import Outcome
from shared.domain.states import NodeState
from shared.domain.templates import as_text
from shared.domain.tool_specs import ASKING
from shared.domain.tools import Attachment, Effect, ShownFile, ToolCall, ToolResult
from shared.ports.agent_runner import AgentTurn
from shared.ports.tools import Tool
from shared.usecases.nodes.ask_delegate import Play, Question, ask_delegate, delegate_spec
from shared.usecases.nodes.ask_people import call_tool, offered_tools
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
    tools = await offered_tools(engine, context, recorder, context.plan.kit(context.target.node, agent.tools))
    turn = prepare_turn(context, agent, tools, prompt, recorder.journal)
    result = await engine.runner.run(turn, recorder, AgentTools(engine, context, recorder, agent, tools))
    return Outcome(
        state=NodeState.SUCCEEDED,
        output=result.output,
        usage=recorder.usage,
        messages=recorder.messages if context.log is not None else (),
        text=as_text(result.output),
    )


@dataclass(frozen=True, slots=True)
class AgentTools:
    """The tool caller of an agent: its delegates, and its tools."""

    engine: Engine
    context: NodeContext
    recorder: NodeRecorder
    agent: AgentSpec
    tools: Mapping[str, Tool]

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of one call."""
        delegate = next((one for one in self.agent.delegates if f"{ASKING}{one.name}" == call.name), None)
        if delegate is None:
            return await call_tool(self.recorder, call, self.tools[call.name])
        question = Question(delegate, call)

        async def ask() -> Answer:
            return await ask_delegate(self.engine, self.context, self.recorder, question, self._play(delegate.agent))

        return await self.recorder.answer(call, Effect.NONE, ask)

    async def show(self, attachment: Attachment) -> ShownFile | None:
        """A file that a result names."""
        try:
            return await self.engine.toolbox.show(attachment, self.context.tool_context())
        except DomainError as error:
            if error.retryable:
                raise
            return None

    async def refuse(self, call: ToolCall, message: str) -> None:
        """Record that a call is not executed."""

        async def refusal() -> Answer:
            return Answer(ToolResult(message, is_error=True))

        await self.recorder.answer(call, Effect.NONE, refusal)

    def _play(self, agent: AgentSpec) -> Play:
        async def play(context: NodeContext, recorder: NodeRecorder, prompt: str) -> Outcome:
            return await run_agent_node(self.engine, context, recorder, agent, prompt)

        return play


def prepare_turn(
    context: NodeContext, agent: AgentSpec, tools: Mapping[str, Tool], prompt: str, journal: Journal
) -> AgentTurn:
    """What the runner needs to know."""
    return AgentTurn(
        agent=agent,
        tools=(
            *(tool.spec for tool in tools.values()),
            *(delegate_spec(delegate) for delegate in agent.delegates),
        ),
        prompt=prompt,
        history=context.history,
        recorded=journal.messages,
        recorded_steps=journal.steps,
        recorded_usage=journal.usage,
        attempt=context.attempt.number,
        is_metered=context.purse.is_metered,
    )
