"""One turn of an agent on its way: asked of one model, and of the next one where that fails.

The order of a step is what recovery rests on: `begin`, the text as it comes, `respond` (the engine journals), and
only then the tools.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic_ai import Agent, AgentRun, ModelRequestNode, ModelRetry
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.usage import UsageLimits

from shared.adapters.pydantic_ai.callbacks import Callbacks
from shared.adapters.pydantic_ai.characters import CharacterStream, mend_characters
from shared.adapters.pydantic_ai.failures import ResponseBrokeOff
from shared.adapters.pydantic_ai.forecasts import forecast
from shared.adapters.pydantic_ai.limits import check_before_request, check_before_tools
from shared.adapters.pydantic_ai.messages import recall, render_message, visible_text
from shared.adapters.pydantic_ai.models import request_settings
from shared.adapters.pydantic_ai.native_search import searches_itself
from shared.adapters.pydantic_ai.outputs import MOST_ANSWERS, Misfit, OutputShape, ask_again
from shared.adapters.pydantic_ai.toolset import FAULTY_CALLS, CalledToolset
from shared.domain.errors import OutputInvalid
from shared.domain.model_specs import ModelSpec
from shared.domain.tools import ToolCall
from shared.domain.usage import Usage
from shared.ports.agent_runner import AgentResult, AgentTurn, CallWaits, Forecast, StepResponse

_EMPTY_ANSWERS = 2
"""How often a model is told that it has said nothing."""


class TurnRun:
    """What was said in a turn so far, over all attempts and models, and how it goes on."""

    def __init__(self, turn: AgentTurn, recorded: list[ModelMessage], callbacks: Callbacks) -> None:
        """Go on after `recorded`."""
        self._turn = turn
        self._said = list(recorded)
        self._pending: ModelRequest | None = None
        self._callbacks = callbacks
        self._step = turn.recorded_steps
        self._longest: int | None = None
        self._instructions: tuple[str, ...] = ()
        asked_for = sum(len(message.tool_calls) for message in recorded if isinstance(message, ModelResponse))
        # Calls are counted when they are asked for: which of them had ended when an attempt died is chance.
        self._used = replace(turn.recorded_usage, tool_calls=asked_for)
        self._toolset = CalledToolset(turn.tools, callbacks)
        self._toolset.step = turn.recorded_steps - 1
        schema = turn.agent.output_schema
        self._shape = None if schema is None else OutputShape(schema)

    def recorded_answer(self) -> AgentResult | None:
        """The answer that the recorded messages end in; None if there is more to do."""
        last = self._said[-1] if self._said else None
        if not isinstance(last, ModelResponse) or last.tool_calls or not (text := visible_text(last)):
            return None
        if self._shape is None:
            return AgentResult(text)
        try:
            return AgentResult(self._shape.read(text))
        except Misfit as misfit:
            self._pending = ask_again(misfit)
            return None

    async def play(self, spec: ModelSpec, model: Model) -> AgentResult:
        """Ask the model until it has answered.

        Raises:
            CallWaits: a call waits for a person.
        """
        memory = recall(self._turn.history)
        self._instructions = tuple(text for text in (self._turn.agent.system_prompt, memory.note()) if text)
        begun = [*self._said, *([] if self._pending is None else [self._pending])]
        async with self._agent(spec, model).iter(
            None if begun else self._turn.prompt,
            message_history=[*memory.messages, *begun],
            usage_limits=UsageLimits(request_limit=None),  # see limits.py
        ) as run:
            check_before_tools(self._turn.agent.limits, self._used)
            node, answer = run.next_node, ""
            while not Agent.is_end_node(node):
                if Agent.is_model_request_node(node):
                    answer = await self._ask(node, run, spec)
                node = await run.next(node)
                if self._callbacks.waits:
                    raise CallWaits
        assert run.result is not None  # noqa: S101 - it has ended
        return AgentResult(answer if self._shape is None else run.result.output)

    def _agent(self, spec: ModelSpec, model: Model) -> Agent[object, Any]:
        shape = self._shape
        made: Agent[object, Any] = Agent(
            model,
            name=self._turn.agent.name,
            instructions=self._instructions or None,
            toolsets=[self._toolset],
            capabilities=[NativeTool(WebSearchTool())] if searches_itself(model, self._turn) else [],
            model_settings=lambda _: request_settings(spec, self._longest),
            output_type=str if shape is None else shape.asked_of(model, has_tools=bool(self._turn.tools)),
            retries={"tools": FAULTY_CALLS, "output": _EMPTY_ANSWERS if shape is None else MOST_ANSWERS},
        )
        if shape is not None:
            made.output_validator(_validator(shape))
        return made

    def _forecast(self, spec: ModelSpec, messages: list[ModelMessage]) -> Forecast | None:
        turn = self._turn
        if not turn.is_metered:
            return None
        schema = turn.agent.output_schema
        return forecast(spec, messages, instructions=self._instructions, tools=turn.tools, output_schema=schema)

    async def _ask(self, node: ModelRequestNode[object, Any], run: AgentRun[object, Any], spec: ModelSpec) -> str:
        """One model request, streamed; its text."""
        step, self._pending = self._step, node.request
        self._check_patience(spec)
        check_before_request(self._turn.agent.limits, self._used)
        self._longest = await self._callbacks.begin(step, self._forecast(spec, [*run.all_messages(), node.request]))
        characters = CharacterStream()
        async with node.stream(run.ctx) as stream:
            async for event in stream:
                if delta := characters.take(_visible_delta(event)):
                    await self._callbacks.text(delta)
        if rest := characters.end():
            await self._callbacks.text(rest)
        response = run.all_messages()[-1]
        if not isinstance(response, ModelResponse) or not _is_complete(response):
            raise ResponseBrokeOff
        mend_characters(response)
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
                model_name=spec.full_name,
            )
        )
        self._said += [node.request, response]
        self._pending = None
        self._toolset.step = step
        self._step = step + 1
        check_before_tools(self._turn.agent.limits, self._used)
        return text

    def _check_patience(self, spec: ModelSpec) -> None:
        """Ask no more once the answers do not fit, time after time.

        Raises:
            OutputInvalid: there were too many.
        """
        answers = [said for said in self._said if isinstance(said, ModelResponse) and not said.tool_calls]
        if self._shape is None or len(answers) < MOST_ANSWERS:
            return
        try:
            self._shape.read(visible_text(answers[-1]))
        except Misfit as misfit:
            raise OutputInvalid(
                f"{spec.full_name} answered {len(answers)} times, never with an output that fits the agent's schema: "
                + "; ".join(misfit.lines)
            ) from misfit


def _validator(shape: OutputShape) -> Any:
    """Sends what does not fit back to the model."""

    def validate(value: Any) -> Any:
        try:
            shape.check(value)
        except Misfit as misfit:
            raise ModelRetry(str(misfit)) from misfit
        return value

    return validate


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
