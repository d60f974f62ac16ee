"""Ask people from a tool call: whether it may be made, or what they know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.domain.approvals import Terms, call_request, node_request, question_request
from shared.domain.decisions import Decision
from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.nodes import Outcome
from shared.domain.plans import APPROVED, DENIED, ApprovalWork
from shared.domain.runs import Failure
from shared.domain.states import NodeState
from shared.domain.tool_arguments import AskHumanConfiguration
from shared.domain.tool_definitions import ToolKit
from shared.domain.tool_specs import ASK_HUMAN, ASKING, BUILT_IN, parse_config
from shared.domain.tools import Effect, ToolCall, ToolResult
from shared.ports.tools import Tool
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import Answer, NodeRecorder


async def offered_tools(
    engine: Engine, context: NodeContext, recorder: NodeRecorder, kit: ToolKit
) -> Mapping[str, Tool]:
    """The tools of a node: the toolbox's, and `ask_human`, which the engine answers.

    Raises:
        shared.domain.errors.DomainError: as `Toolbox.tools_for`.
        FailedPrecondition: a server has a tool that would be called as those are that ask somebody.
    """
    asking = {use.name: use.config for use in kit.tools if use.name == ASK_HUMAN}
    others = kit.model_copy(update={"tools": tuple(use for use in kit.tools if use.name != ASK_HUMAN)})
    tools = await engine.toolbox.tools_for(others, context.tool_context())
    if taken := next((name for name in tools if name.startswith(ASKING)), None):
        raise FailedPrecondition(f"a tool would be called {taken}, as only those are that ask an agent or a person")
    return {**tools, **{name: _question_tool(recorder, config) for name, config in asking.items()}}


async def call_tool(recorder: NodeRecorder, call: ToolCall, tool: Tool) -> ToolResult:
    """The result of a call; one that needs a person's word is made once it has it, perhaps with other arguments.

    Raises:
        CallWaits: a person must say something first.
        UncertainCall: as `NodeRecorder.answer`.
    """
    if not tool.requires_approval or tool.spec.name == ASK_HUMAN or recorder.has_result(call):
        return await recorder.call(call, tool)
    decision = recorder.decided(call_request(call, Terms(), tool.spec.arguments_schema))
    if decision.verdict == "approve":
        arguments = call.arguments if decision.arguments is None else decision.arguments
        return await recorder.call(replace(call, arguments=arguments), tool)

    async def refusal() -> Answer:
        return Answer(ToolResult(_refusal(f"A person did not allow {call.name}", decision), is_error=True))

    return await recorder.answer(call, Effect.NONE, refusal)


def ask_for_go_ahead(context: NodeContext, recorder: NodeRecorder, work: ApprovalWork, message: str) -> Outcome:
    """What people said at an approval of a graph; a no fails it, unless a node waits for a no.

    Raises:
        CallWaits: nobody has said anything yet.
    """
    terms = Terms(
        asked=tuple(Uid(uid) for uid in work.asked),
        expires_after=timedelta(seconds=work.expires_after_seconds),
        default=work.default,
    )
    decision = recorder.decided(node_request(message, terms))
    output = {"approved": decision.verdict == "approve", "reason": decision.reason}
    if decision.verdict == "approve":
        return Outcome(NodeState.SUCCEEDED, chosen=APPROVED, output=output)
    if context.target.graph.handles_denial(context.target.node.id):
        return Outcome(NodeState.SUCCEEDED, chosen=DENIED, output=output)
    return Outcome(NodeState.FAILED, error=Failure(DENIED, _refusal("a person said no", decision)))


def _question_tool(recorder: NodeRecorder, config: Mapping[str, Any]) -> Tool:
    terms = _terms(parse_config(AskHumanConfiguration, config))

    async def ask(call: ToolCall) -> ToolResult:
        decision = recorder.decided(question_request(call, terms))
        if decision.verdict == "answer":
            return ToolResult(decision.answer)
        return ToolResult(_refusal("The question was not answered", decision), is_error=True)

    return Tool(BUILT_IN[ASK_HUMAN], ask)


def _terms(config: AskHumanConfiguration) -> Terms:
    return Terms(
        asked=tuple(Uid(uid) for uid in config.asked),
        expires_after=timedelta(seconds=config.expires_after_seconds),
        default="deny" if config.default_answer is None else "answer",
        default_answer=config.default_answer,
    )


def _refusal(what: str, decision: Decision) -> str:
    return f"{what}: {decision.reason}" if decision.reason else f"{what}."
