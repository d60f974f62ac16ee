"""Perform a node's work, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from shared.domain.errors import FailedPrecondition, TooLarge
from shared.domain.nodes import Outcome
from shared.domain.plans import (
    OTHERWISE,
    AgentWork,
    ApprovalWork,
    BranchWork,
    EndWork,
    FallbackWork,
    InputWork,
    ItemsWork,
    JoinWork,
    LoopWork,
    MapWork,
    SubgraphWork,
    ToolWork,
    TurnsWork,
)
from shared.domain.run_inputs import hand_over
from shared.domain.runs import Failure
from shared.domain.states import NodeState
from shared.domain.templates import as_text, render_template
from shared.domain.tools import ToolCall
from shared.domain.value_types import word_for
from shared.usecases.nodes.ask_people import ask_for_go_ahead, call_tool, offered_tools
from shared.usecases.nodes.carry_over import carry_over
from shared.usecases.nodes.conclude import conclude_graph, conclude_part
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.gather_inputs import gather_scope, read_outputs
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import NodeRecorder
from shared.usecases.nodes.run_agent_node import run_agent_node
from shared.usecases.nodes.take_turn import take_turn

MAX_PROMPT_BYTES = 600_000
"""A step's messages are one document of the journal, with the prompt in JSON."""


async def perform_work(engine: Engine, context: NodeContext, recorder: NodeRecorder) -> Outcome:
    """The outcome of the work, or of the same in a run that this one repeats.

    Raises:
        shared.domain.errors.DomainError: the work failed, for a reason that is safe to show.
    """
    if (carried := await carry_over(engine, context)) is not None:
        return carried
    scope = await gather_scope(engine.core.documents, context.target)
    return await _next_round(engine, context, await _perform(engine, context, recorder, scope), scope)


async def _perform(engine: Engine, context: NodeContext, recorder: NodeRecorder, scope: Mapping[str, Any]) -> Outcome:
    work = context.target.work
    match work:
        case AgentWork():
            prompt = _checked_prompt(as_text(render_template(work.prompt, _scope_of(work, scope))))
            return await run_agent_node(engine, context, recorder, work.agent, prompt)
        case ToolWork():
            return await _call_tool(engine, context, recorder, work, scope)
        case MapWork() | LoopWork():
            return _expand(work, scope)
        case BranchWork() | ApprovalWork():
            return await _choose(engine, context, recorder, work, scope)
        case _:
            return await _gather(engine, context, work, scope)


async def _gather(
    engine: Engine,
    context: NodeContext,
    work: InputWork | ItemsWork | JoinWork | SubgraphWork | FallbackWork | TurnsWork | EndWork,
    scope: Mapping[str, Any],
) -> Outcome:
    """The outcome of what only passes on what there is."""
    match work:
        case JoinWork():
            return await _join(engine, context, work)
        case InputWork():
            seen = scope if work.turn is None else await take_turn(engine, context.target, work.turn, scope)
            if seen is None:
                return Outcome(NodeState.SKIPPED)
            return Outcome(NodeState.SUCCEEDED, output=_handed_over(work.value, work.input_schema, seen))
        case ItemsWork():
            return Outcome(NodeState.SUCCEEDED, output=_listed(work, scope))
        case SubgraphWork() | FallbackWork() | TurnsWork():
            return await conclude_part(engine, context, work)
        case EndWork():
            return await conclude_graph(engine, context)


def _scope_of(work: AgentWork, scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an agent's prompt may refer to; of a kept one only what it is given."""
    return scope if work.input is None else {"input": _handed_over(work.input, work.input_schema, scope)}


def _checked_prompt(prompt: str) -> str:
    """The prompt, if the journal can hold it; nothing is asked, and nothing paid, before that is known.

    Raises:
        TooLarge: it cannot.
    """
    size = len(prompt.encode())
    if size > MAX_PROMPT_BYTES:
        raise TooLarge(
            f"the prompt has {size:,} bytes; {MAX_PROMPT_BYTES:,} are the most: give the agent a file to read"
        )
    return prompt


def _handed_over(template: Any, schema: Mapping[str, Any] | None, scope: Mapping[str, Any]) -> Any:
    return hand_over(schema, render_template(template, scope))


async def _call_tool(
    engine: Engine, context: NodeContext, recorder: NodeRecorder, work: ToolWork, scope: Mapping[str, Any]
) -> Outcome:
    """Call the tool of a plan; its failure fails the node."""
    arguments = render_template(work.arguments, scope)
    tools = await offered_tools(engine, context, recorder, context.plan.kit_of(context.target.node, work))
    if work.tool not in tools:
        raise FailedPrecondition(f"there is no tool named {work.tool}")
    result = await call_tool(recorder, ToolCall(0, "call", work.tool, arguments), tools[work.tool])
    text = as_text(result.content)
    if result.is_error:
        return Outcome(NodeState.FAILED, error=Failure("tool_failed", f"{work.tool}: {text}"), usage=recorder.usage)
    return Outcome(NodeState.SUCCEEDED, output=result.content, usage=recorder.usage, text=text)


def _expand(work: MapWork | LoopWork, scope: Mapping[str, Any]) -> Outcome:
    if isinstance(work, LoopWork):
        return Outcome(NodeState.SUCCEEDED, items=[None], output={"count": work.max_rounds})
    items = _listed(work, scope)
    return Outcome(NodeState.SUCCEEDED, items=items, output={"count": len(items)})


def _listed(work: MapWork | ItemsWork, scope: Mapping[str, Any]) -> list[Any]:
    """The items of a map.

    Raises:
        FailedPrecondition: they are no list, or too many.
    """
    items = render_template(work.over, scope)
    if not isinstance(items, list):
        raise FailedPrecondition(f"'over' must yield a list, and {work.over!r} is {word_for(items)}")
    items = cast(list[Any], items)
    if len(items) > work.max_items:
        raise FailedPrecondition(f"the list has {len(items):,} items, and the map takes at most {work.max_items:,}")
    return items


async def _choose(
    engine: Engine,
    context: NodeContext,
    recorder: NodeRecorder,
    work: BranchWork | ApprovalWork,
    scope: Mapping[str, Any],
) -> Outcome:
    """The way on, by the conditions or by a person."""
    if isinstance(work, ApprovalWork):
        return ask_for_go_ahead(context, recorder, work, as_text(render_template(work.message, scope)))
    chosen = OTHERWISE
    for case, condition in work.cases:
        if await engine.conditions.holds(condition, scope):
            chosen = case
            break
    return Outcome(NodeState.SUCCEEDED, chosen=chosen, output={"case": chosen}, text=chosen)


async def _next_round(engine: Engine, context: NodeContext, outcome: Outcome, scope: Mapping[str, Any]) -> Outcome:
    """A loop's round, with the number of the next one unless the loop ends with it."""
    loop, item = context.target.node.work, context.target.item
    if not isinstance(loop, LoopWork) or item is None or outcome.state is not NodeState.SUCCEEDED:
        return outcome
    ends = item.index + 1 >= loop.max_rounds
    ends = ends or await engine.conditions.holds(loop.until, {**scope, "output": outcome.output})
    return outcome if ends else replace(outcome, next_index=item.index + 1)


async def _join(engine: Engine, context: NodeContext, work: JoinWork) -> Outcome:
    target = context.target
    names = list(target.node.after)
    outputs = await read_outputs(engine.core.documents, target, names)
    gathered: list[Any] = []
    for name in names:
        if name in outputs:
            gathered += outputs[name] if target.graph.gives_items(name) else [outputs[name]]
    if work.reducer == "text":
        return Outcome(NodeState.SUCCEEDED, output="\n\n".join(as_text(output) for output in gathered))
    return Outcome(NodeState.SUCCEEDED, output=gathered)
