"""The port through which a node runs an agent: model requests go out, text, responses and tool calls come back.

The runner (Pydantic AI) knows models and messages; the engine knows journals, leases and segments.
Steps count the model responses of one node execution from 0, over all attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.domain.definitions import AgentSpec
from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult, ToolSpec
from shared.domain.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """What to run.

    Args:
        agent: model, instructions, settings.
        tools: the tools that the model may call.
        prompt: the user's text of this turn.
        history: messages of earlier turns, one JSON text each (the runner's own format).
        recorded: messages of this turn that a former attempt journalled, in order: the prompt's request first, a
            model response last. Empty on a first attempt. The runner goes on from there and asks for no recorded
            response again.
        recorded_steps: how many model responses are recorded.
        recorded_usage: what the recorded responses have cost.
        attempt: which attempt at the node this is, from 1.
        is_metered: what requests consume is limited, so each needs a forecast.
    """

    agent: AgentSpec
    tools: tuple[ToolSpec, ...]
    prompt: str
    history: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    recorded_steps: int = 0
    recorded_usage: Usage = NO_USAGE
    attempt: int = 1
    is_metered: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """The most that a model request consumes.

    Args:
        input_tokens: as estimated.
        input_cost_usd_micros: what they cost; None where the model's price is not known.
        output_tokens: how long an answer is wanted at most.
        least_output_tokens: a shorter answer is of no use.
        output_usd_micros_per_token: what an answer costs.
    """

    input_tokens: int = 0
    input_cost_usd_micros: int | None = 0
    output_tokens: int = 0
    least_output_tokens: int = 0
    output_usd_micros_per_token: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResponse:
    """A complete model response.

    Args:
        step: its number.
        text: the whole text of the response.
        calls: the tool calls it asks for; empty in a final answer.
        messages: the messages since the last response, this response included, one JSON text each.
        usage: tokens and cost of this response alone.
        model_name: the model that answered.
    """

    step: int
    text: str
    calls: tuple[ToolCall, ...]
    messages: tuple[str, ...]
    usage: Usage
    model_name: str | None = None


class CallWaits(Exception):
    """A tool call cannot be answered before a person has said something; nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class AgentResult:
    """How the turn ended: the output (text, or a JSON value under an output schema)."""

    output: Any


class StepSink(Protocol):
    """What the runner reports while it runs, awaited in order. Whatever it raises ends the run and passes through."""

    async def begin(self, step: int, forecast: Forecast | None = None) -> int | None:
        """A model request for `step` starts; a second `begin` of a step means that the first try is void.

        Returns:
            How many tokens the answer may have at most; None if nothing limits it.

        Raises:
            shared.domain.errors.LimitReached: it may consume more than is left of a budget.
        """
        ...

    async def text(self, delta: str) -> None:
        """The model produced more visible text in the step that began last."""
        ...

    async def respond(self, response: StepResponse) -> None:
        """The step's response is complete; its tools have not started."""
        ...


class ToolCaller(Protocol):
    """Executes the tool calls of a response, or answers them from the journal."""

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of one call. Calls of one response may run concurrently.

        Raises:
            CallWaits: the call waits for a person.
        """
        ...

    async def show(self, attachment: Attachment) -> ShownFile | None:
        """A file that a result names, as a model may see it; None if it cannot be shown."""
        ...

    async def refuse(self, call: ToolCall, message: str) -> None:
        """Take note that a call is not executed, and what the model is told instead."""
        ...


class AgentRunner(Protocol):
    """Runs agents."""

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        """Run one turn to its end.

        Raises:
            shared.domain.errors.ModelUnavailable: the provider is down, overloaded or broke off (retryable).
            shared.domain.errors.FailedPrecondition: the model refused or is not configured.
            shared.domain.errors.LimitReached: a limit of the definition was reached.
            CallWaits: a call waits for a person; the other calls of its response have ended.
        """
        ...

    def history(self, prompt: str, output: str) -> Sequence[str]:
        """Messages (JSON texts) that record a turn which no single agent answered, such as a graph's."""
        ...
