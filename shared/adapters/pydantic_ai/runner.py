"""Runs one turn of an agent, reporting every delta and every complete response to the engine.

The order of a step is what recovery rests on: `begin`, the text as it comes, `respond` (the engine journals), and
only then the tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from pydantic_ai import Agent, AgentRun, ModelRequestNode
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from shared.adapters.pydantic_ai.callbacks import Callbacks
from shared.adapters.pydantic_ai.connections import closing_responses
from shared.adapters.pydantic_ai.failures import ResponseBrokeOff, domain_error
from shared.adapters.pydantic_ai.limits import check_before_request, check_before_tools
from shared.adapters.pydantic_ai.messages import (
    Memory,
    parse_recorded,
    recall,
    render_exchange,
    render_message,
    visible_text,
)
from shared.adapters.pydantic_ai.models import Models, request_settings
from shared.adapters.pydantic_ai.toolset import FAULTY_CALLS, CalledToolset
from shared.domain.tools import ToolCall
from shared.domain.usage import Usage
from shared.ports.agent_runner import AgentResult, AgentTurn, StepResponse, StepSink, ToolCaller

_EMPTY_ANSWERS = 2
"""How often a model is told that it has said nothing."""


class PydanticAiRunner:
    """`AgentRunner` by Pydantic AI."""

    def __init__(self, models: Models) -> None:
        """Ask `models`."""
        self._models = models

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        """As `AgentRunner.run`."""
        recorded = parse_recorded(turn.recorded)
        if (answer := _final_answer(recorded)) is not None:
            return AgentResult(answer)
        callbacks = Callbacks(sink, tools)
        name = f"{turn.agent.model.provider}:{turn.agent.model.model}"
        try:
            model = await self._models.get(turn.agent.model, turn.attempt)
            async with closing_responses():
                answer = await _TurnRun(turn, recorded, callbacks).play(model)
        except BaseException as error:
            if callbacks.raised is not None:
                raise callbacks.raised from None
            if (known := domain_error(error, name)) is not None:
                raise known from error
            raise
        return AgentResult(answer)

    def history(self, prompt: str, output: str) -> Sequence[str]:
        """As `AgentRunner.history`."""
        return render_exchange(prompt, output)


class _TurnRun:
    """One turn on its way."""

    def __init__(self, turn: AgentTurn, recorded: list[ModelMessage], callbacks: Callbacks) -> None:
        self._turn = turn
        self._recorded = recorded
        self._callbacks = callbacks
        self._step = turn.recorded_steps
        asked_for = sum(len(message.tool_calls) for message in recorded if isinstance(message, ModelResponse))
        # Calls are counted when they are asked for: which of them had ended when an attempt died is chance.
        self._used = replace(turn.recorded_usage, tool_calls=asked_for)
        self._toolset = CalledToolset(turn.tools, callbacks)
        self._toolset.step = turn.recorded_steps - 1

    async def play(self, model: Model) -> str:
        """Ask the model until it has answered; the last response's text."""
        memory = recall(self._turn.history)
        agent = self._agent(model, memory)
        answer = ""
        async with agent.iter(
            None if self._recorded else self._turn.prompt,
            message_history=[*memory.messages, *self._recorded],
            usage_limits=UsageLimits(request_limit=None),  # see limits.py
        ) as run:
            check_before_tools(self._turn.agent.limits, self._used)
            node = run.next_node
            while not Agent.is_end_node(node):
                if Agent.is_model_request_node(node):
                    answer = await self._ask(node, run)
                node = await run.next(node)
        return answer

    def _agent(self, model: Model, memory: Memory) -> Agent[object, str]:
        spec = self._turn.agent
        note = memory.note()
        instructions = [text for text in (spec.system_prompt, note) if text]
        return Agent(
            model,
            name=spec.name,
            instructions=instructions or None,
            toolsets=[self._toolset],
            model_settings=request_settings(spec.model),
            retries={"tools": FAULTY_CALLS, "output": _EMPTY_ANSWERS},
        )

    async def _ask(self, node: ModelRequestNode[object, str], run: AgentRun[object, str]) -> str:
        """One model request, streamed; its text."""
        step = self._step
        check_before_request(self._turn.agent.limits, self._used)
        await self._callbacks.begin(step)
        async with node.stream(run.ctx) as stream:
            async for event in stream:
                if delta := _visible_delta(event):
                    await self._callbacks.text(delta)
        response = run.all_messages()[-1]
        if not isinstance(response, ModelResponse) or not _is_complete(response):
            raise ResponseBrokeOff
        usage = _usage_of(response)
        self._used = self._used + replace(usage, tool_calls=len(response.tool_calls))
        text = visible_text(response)
        await self._callbacks.respond(
            StepResponse(
                step=step,
                text=text,
                calls=_calls_of(response, step),
                messages=(render_message(node.request), render_message(response)),
                usage=usage,
                model_name=response.model_name,
            )
        )
        self._toolset.step = step
        self._step = step + 1
        check_before_tools(self._turn.agent.limits, self._used)
        return text


def _final_answer(recorded: list[ModelMessage]) -> str | None:
    """The answer that the recorded messages end in; None if there is more to do."""
    if not recorded:
        return None
    last = recorded[-1]
    if not isinstance(last, ModelResponse) or last.tool_calls:
        return None
    return visible_text(last) or None


def _visible_delta(event: AgentStreamEvent) -> str:
    match event:
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case PartStartEvent(part=TextPart(content=text)):
            return text
        case _:
            return ""


def _is_complete(response: ModelResponse) -> bool:
    """Every provider says why it stopped; a Gemini stream that breaks off just ends."""
    return response.state == "complete" and response.finish_reason is not None


def _calls_of(response: ModelResponse, step: int) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(step, part.tool_call_id, part.tool_name, part.args_as_dict()) for part in response.tool_calls)


def _usage_of(response: ModelResponse) -> Usage:
    cost = response.usage.cost
    return Usage(
        requests=1,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        cost_usd_micros=None if cost is None else _micros(cost),
    )


def _micros(cost: Decimal) -> int:
    return int((cost * 1_000_000).to_integral_value())
