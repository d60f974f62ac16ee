"""Turns of agents for tests: a sink and a tool caller that remember, and builders of turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.definitions import AgentSpec, Limits
from shared.domain.model_specs import ModelSpec
from shared.domain.tools import Attachment, Effect, ShownFile, ToolCall, ToolResult, ToolSpec
from shared.ports.agent_runner import AgentTurn, Forecast, StepResponse

LOOKUP = ToolSpec(
    name="lookup",
    description="Look a word up.",
    effect=Effect.NONE,
    arguments_schema={
        "type": "object",
        "properties": {"word": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
FILE_READ = ToolSpec(
    name="file_read",
    description="Read a file.",
    effect=Effect.NONE,
    arguments_schema={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)


class Superseded(Exception):
    """What an engine raises to end a run from its side."""


@dataclass
class Recorder:
    """A sink and a tool caller in one; `log` has everything in the order in which it happened.

    Args:
        answers: the result of each tool, or a function of the call.
        longest: how many tokens an answer may have.
        forecasts: what each request was said to consume at most.
        stop_at: the entry of the log at which to raise `Superseded`.
        files: what can be shown, by name.
    """

    answers: Mapping[str, ToolResult | Callable[[ToolCall], ToolResult]] = field(default_factory=dict[str, Any])
    stop_at: Callable[[tuple[str, Any]], bool] = field(default=lambda _: False)
    files: Mapping[str, ShownFile] = field(default_factory=dict[str, ShownFile])
    log: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    longest: int | None = None
    forecasts: list[Forecast] = field(default_factory=list[Forecast])

    def _note(self, kind: str, value: object) -> None:
        self.log.append((kind, value))
        if self.stop_at((kind, value)):
            raise Superseded(kind)

    async def begin(self, step: int, forecast: Forecast | None = None) -> int | None:
        """As `StepSink.begin`."""
        if forecast is not None:
            self.forecasts.append(forecast)
        self._note("begin", step)
        return self.longest

    async def text(self, delta: str) -> None:
        """As `StepSink.text`."""
        self._note("text", delta)

    async def respond(self, response: StepResponse) -> None:
        """As `StepSink.respond`."""
        self._note("respond", response)

    async def call(self, call: ToolCall) -> ToolResult:
        """As `ToolCaller.call`."""
        self._note("call", call)
        answer = self.answers.get(call.name, ToolResult(f"result of {call.name}"))
        return answer if isinstance(answer, ToolResult) else answer(call)

    async def show(self, attachment: Attachment) -> ShownFile | None:
        """As `ToolCaller.show`."""
        self._note("show", attachment)
        return self.files.get(attachment.name)

    async def refuse(self, call: ToolCall, message: str) -> None:
        """As `ToolCaller.refuse`."""
        del message
        self._note("refuse", call)

    @property
    def kinds(self) -> list[str]:
        """What happened, without the values."""
        return [kind for kind, _ in self.log]

    @property
    def deltas(self) -> list[str]:
        """Every piece of text."""
        return [value for kind, value in self.log if kind == "text"]

    @property
    def calls(self) -> list[ToolCall]:
        """Every executed call."""
        return [value for kind, value in self.log if kind == "call"]

    @property
    def responses(self) -> list[StepResponse]:
        """Every complete response."""
        return [value for kind, value in self.log if kind == "respond"]

    @property
    def messages(self) -> tuple[str, ...]:
        """What a journal would hold."""
        return tuple(message for response in self.responses for message in response.messages)


def model_of(model: str | Mapping[str, Any], script: Sequence[Mapping[str, Any]] = ()) -> ModelSpec:
    """A model from `provider:model`, with a script for local:scripted."""
    if isinstance(model, str):
        provider, _, name = model.partition(":")
        model = {"provider": provider, "model": name}
    return ModelSpec.model_validate({**model, "script": list(script)})


def turn_of(
    model: ModelSpec,
    prompt: str = "hello",
    *,
    tools: Sequence[ToolSpec] = (LOOKUP,),
    system_prompt: str = "",
    limits: Limits | None = None,
    output_schema: dict[str, Any] | None = None,
    **fields: Any,
) -> AgentTurn:
    """A turn of an agent with this model."""
    spec = AgentSpec(
        name="tester",
        model=model,
        system_prompt=system_prompt,
        limits=limits or Limits(),
        output_schema=output_schema,
    )
    return AgentTurn(agent=spec, tools=tuple(tools), prompt=prompt, **fields)


def scripted(*rules: Mapping[str, Any], prompt: str = "hello", **fields: Any) -> AgentTurn:
    """A turn of local:scripted with these rules."""
    return turn_of(model_of("local:scripted", rules), prompt, **fields)
