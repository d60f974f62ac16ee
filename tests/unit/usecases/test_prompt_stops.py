"""Whoever streams hears within a second that its run is cancelled, however long it has been streaming."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from shared.domain.states import RunState
from shared.ports.agent_runner import AgentResult, AgentTurn, StepSink, ToolCaller
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import ScriptedRunner


@dataclass(slots=True)
class Chatterbox(ScriptedRunner):
    """Says a word every tenth of a second, for ever."""

    rig: EngineRig | None = None

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        del turn, tools
        assert self.rig is not None
        await sink.begin(0)
        while True:
            await sink.text("word ")
            await self.rig.clock.sleep(0.1)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5, 7.7, 30.1, 63.0])
async def test_a_streaming_run_is_cancelled_within_a_second_and_keeps_what_was_said(seconds: float) -> None:
    runner = Chatterbox()
    rig = EngineRig(runner)
    runner.rig = rig
    started = await rig.start(await rig.make_agent())
    working = asyncio.ensure_future(rig.deliver(rig.queue.pending.popleft()))
    await rig.clock.sleep(seconds)
    await cancel_run(rig.core, ANN, started.run.id)
    asked = rig.clock.monotonic()
    await working
    assert rig.clock.monotonic() - asked < 1
    run = await rig.run(started.run.id)
    last = (await rig.events(run.session_id))[-1]
    assert (run.state, last["partial"]) == (RunState.CANCELLED, True)
    assert last["content"]["text"].startswith("word word ")
