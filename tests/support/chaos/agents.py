"""Models and tools of the simulated world: they take time, fail, and are watched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from shared.domain.errors import ModelUnavailable, NotFound
from shared.domain.ids import Instance, RunId
from shared.domain.tool_definitions import ToolKit
from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult, ToolSpec
from shared.domain.usage import Usage
from shared.ports.agent_runner import AgentResult, AgentTurn, CallWaits, Forecast, StepResponse, StepSink, ToolCaller
from shared.ports.tools import Tool, ToolContext
from shared.usecases.sessions.set_state import set_state
from tests.support.chaos.definitions import ASKING, EFFECTS, ScriptStep, script_of, speaker_of
from tests.support.chaos.faults import Effect, Fault
from tests.support.chaos.network import NetworkDocuments, Surroundings
from tests.support.chaos.oracle import tool_fate
from tests.support.chaos.processes import Died, Process

COST = Usage(requests=1, input_tokens=10, output_tokens=5, cost_usd_micros=7)
FORECAST = Forecast(15, 7)
SPECS = {name: ToolSpec(name, f"the tool {name}", effect, {"type": "object"}) for name, effect in EFFECTS.items()}


class Watched(Surroundings, Protocol):
    """A world that watches what models and tools are asked."""

    has_forks: bool
    """Whether tools change the session's state."""

    def run_of(self, message: str) -> RunId:
        """The run in which a message is answered by whoever asks."""
        ...

    def model_called(self, process: Process, run_id: RunId, instance: Instance, step: int) -> None:
        """A model request goes out."""
        ...

    def history_given(self, run_id: RunId, history: Sequence[str]) -> None:
        """The agent that speaks in the session is given the messages of the session's earlier turns."""
        ...

    def tool_called(self, process: Process, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        """A tool starts."""
        ...

    def tool_ended(self, process: Process, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        """A tool has done to the world what it will do, or nothing."""
        ...

    def tool_took_effect(self, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        """What a tool does to the world has happened."""
        ...


class SimulatedRunner:
    """`AgentRunner` of one process: plays the script in the agent's system prompt."""

    def __init__(self, world: Watched, process: Process) -> None:
        self._world = world
        self._process = process

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        steps = script_of(turn.agent.system_prompt)
        instance, message = speaker_of(turn.prompt)
        if instance == "main~0":
            self._world.history_given(self._world.run_of(message), turn.history)
        if turn.recorded_steps:
            await _call_tools(turn, turn.recorded_steps - 1, steps[turn.recorded_steps - 1], tools)
        for number in range(turn.recorded_steps, len(steps)):
            step = steps[number]
            if step.void:
                await self._ask(turn, number, sink)
                await self._speak(step, turn.prompt, number, sink, most=1)
            await self._respond(turn, number, step, sink)
            await _call_tools(turn, number, step, tools)
        return AgentResult(steps[-1].text(turn.prompt, len(steps) - 1))

    def history(self, prompt: str, output: str) -> Sequence[str]:
        return (f"user: {prompt}", f"agent: {output}")

    async def _respond(self, turn: AgentTurn, number: int, step: ScriptStep, sink: StepSink) -> None:
        fault = await self._ask(turn, number, sink)
        if fault is Fault.STALL:
            self._process.freeze(self._world.lease_seconds * self._world.random.uniform(0.5, 3))
        if fault is Fault.SLOW:
            await self._process.pause(self._world.random.uniform(20, 100))
        await self._speak(step, turn.prompt, number, sink, most=1 if fault is Fault.UNAVAILABLE else len(step.sizes))
        if fault is Fault.CRASH_AFTER:
            self._process.crash()
            raise Died
        if fault is Fault.UNAVAILABLE:
            raise ModelUnavailable("the model is down")
        messages = (f"{turn.prompt}?{number}", f"{turn.prompt}!{number}")
        text = step.text(turn.prompt, number)
        await sink.respond(StepResponse(number, text, step.calls(turn.prompt, number), messages, COST, "scripted"))

    async def _ask(self, turn: AgentTurn, number: int, sink: StepSink) -> Fault | None:
        await sink.begin(number, FORECAST)
        instance, message = speaker_of(turn.prompt)
        self._process.check()
        self._world.model_called(self._process, self._world.run_of(message), instance, number)
        return self._world.meet(Effect.MODEL, self._process, (message, instance, f"step {number}"))

    async def _speak(self, step: ScriptStep, prompt: str, number: int, sink: StepSink, *, most: int) -> None:
        for delta in list(step.deltas(prompt, number))[:most]:
            await self._process.pause(step.seconds * self._world.random.random())
            await sink.text(delta)


async def _call_tools(turn: AgentTurn, number: int, step: ScriptStep, tools: ToolCaller) -> None:
    """The other calls of a response end before the turn waits for a person."""

    async def answer(call: ToolCall) -> bool:
        try:
            await tools.call(call)
        except CallWaits:
            return False
        return True

    calls = step.calls(turn.prompt, number)
    if not step.parallel:
        answered = [await answer(call) for call in calls]
    else:
        calling = [asyncio.ensure_future(answer(call)) for call in calls]
        try:
            answered = await asyncio.gather(*calling)
        finally:
            for one in calling:
                one.cancel()
            await asyncio.gather(*calling, return_exceptions=True)
    if not all(answered):
        raise CallWaits


class SimulatedTools:
    """`Toolbox` of one process."""

    def __init__(self, world: Watched, process: Process) -> None:
        self._world = world
        self._process = process

    async def show(self, attachment: Attachment, context: ToolContext) -> ShownFile:
        # As of a file that is gone: no tool of the simulation makes one.
        raise NotFound(f"the session {context.session_id} has no file {attachment.name!r}")

    async def tools_for(self, kit: ToolKit, context: ToolContext) -> Mapping[str, Tool]:
        call = partial(self.call, context=context)
        names = [use.name for use in kit.tools]
        return {name: Tool(SPECS[name], call, requires_approval=name in ASKING) for name in names}

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        world, process = self._world, self._process
        process.check()
        world.tool_called(process, context.run_id, context.instance, call)
        fault = world.meet(Effect.TOOL, process, (context.run_id, context.instance, call.call_id, call.name))
        if fault is Fault.STALL:
            process.freeze(world.lease_seconds * world.random.uniform(0.5, 3))
        try:
            await process.pause(world.random.random() * (40 if fault is Fault.SLOW else 1))
            process.check()
            world.tool_took_effect(context.run_id, context.instance, call)
        finally:
            world.tool_ended(process, context.run_id, context.instance, call)
        if fault is Fault.CRASH_AFTER:
            process.crash()
            raise Died
        await process.pause(world.random.random() * 0.5)
        fate = tool_fate(call.name, call.arguments)
        result = ToolResult(fate.outputs[0], is_error=fate.fails)
        return replace(result, actions=await self._remember(call, context)) if world.has_forks else result

    async def _remember(self, call: ToolCall, context: ToolContext) -> Mapping[str, Any]:
        """Change the session's state: one key that all set, and one of the node's own; what that did to the session."""
        if call.name != "echo":
            return {}
        told = f"{context.run_id} {context.instance} {call.call_id}"
        values = {"heard": told, str(context.instance): told}
        documents = NetworkDocuments(self._world, self._process)
        await set_state(documents, self._process, context.session_id, context.run_id, values)
        return {"state_delta": values}
