"""An agent runner without models: it plays a script, and counts the model requests it would have made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.tools import ToolCall, ToolResult
from shared.domain.usage import Usage
from shared.ports.agent_runner import AgentResult, AgentTurn, CallWaits, Forecast, StepResponse, StepSink, ToolCaller

COST = Usage(requests=1, input_tokens=10, output_tokens=5, cost_usd_micros=7)


@dataclass(frozen=True, slots=True)
class Step:
    """One model response: its text in deltas, its tool calls, and what to do before it is complete."""

    deltas: tuple[str, ...] = ()
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    before_end: Callable[[], Any] | None = None


@dataclass(slots=True)
class ScriptedRunner:
    """Plays `script(turn)`; a step that was recorded is not played again."""

    script: Callable[[AgentTurn], Sequence[Step]] = lambda turn: (Step((f"echo: {turn.prompt}",)),)
    requests: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    turns: list[AgentTurn] = field(default_factory=list[AgentTurn])
    calls_at_once: bool = False
    forecast: Forecast = field(default_factory=Forecast)
    longest: list[int | None] = field(default_factory=list[int | None])

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        """Play the turn."""
        self.turns.append(turn)
        steps = list(self.script(turn))
        if turn.recorded_steps:
            await self._call_tools(turn.recorded_steps - 1, steps[turn.recorded_steps - 1], tools)
        for number in range(turn.recorded_steps, len(steps)):
            await self._play(turn, number, steps[number], sink)
            await self._call_tools(number, steps[number], tools)
        return AgentResult("".join(steps[-1].deltas))

    async def _play(self, turn: AgentTurn, number: int, step: Step, sink: StepSink) -> None:
        self.longest.append(await sink.begin(number, self.forecast))
        self.requests.append((turn.prompt, number))
        for delta in step.deltas:
            await sink.text(delta)
            await asyncio.sleep(0)
        if step.before_end is not None:
            result = step.before_end()
            if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future):
                await result
        calls = _calls(number, step)
        messages = (f"request {number}", f"response {number}")
        await sink.respond(StepResponse(number, "".join(step.deltas), calls, messages, COST, "scripted"))

    async def _call_tools(self, number: int, step: Step, tools: ToolCaller) -> list[ToolResult]:
        async def answer(call: ToolCall) -> ToolResult | None:
            try:
                return await tools.call(call)
            except CallWaits:
                return None

        calls = _calls(number, step)
        if self.calls_at_once:
            results = await asyncio.gather(*(answer(call) for call in calls))
        else:
            results = [await answer(call) for call in calls]
        if None in results:
            raise CallWaits
        return [result for result in results if result is not None]

    def history(self, prompt: str, output: str) -> Sequence[str]:
        """The turn as two messages."""
        return (f"user: {prompt}", f"agent: {output}")


def _calls(number: int, step: Step) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(number, f"call-{number}-{n}", name, args) for n, (name, args) in enumerate(step.calls))
