"""Calls that wait for a person: the others of the response run, no request is made, and the turn goes on later."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.tools import ToolCall, ToolResult
from shared.ports.agent_runner import CallWaits
from tests.support.agent_turns import Recorder, scripted
from tests.unit.adapters.pydantic_ai.test_runner import run

WORDS = ("loom", "shed", "weft")
RULE: dict[str, Any] = {
    "calls": [{"name": "lookup", "arguments": {"word": word}} for word in WORDS],
    "chunks": ["all ", "three"],
}


def answers(*waiting: str) -> Recorder:
    """A tool caller whose person has said nothing about some words yet."""

    def look_up(call: ToolCall) -> ToolResult:
        if call.arguments["word"] in waiting:
            raise CallWaits
        return ToolResult(f"a {call.arguments['word']}")

    return Recorder(answers={"lookup": look_up})


@pytest.mark.parametrize("waiting", [WORDS[:1], WORDS[1:2], WORDS[1:], WORDS])
async def test_a_turn_with_calls_that_wait_ends_before_its_next_request(waiting: tuple[str, ...]) -> None:
    recorder = answers(*waiting)
    with pytest.raises(CallWaits):
        await run(scripted(RULE), recorder)
    assert recorder.kinds == ["begin", "respond", "call", "call", "call"]


async def test_a_turn_goes_on_from_the_same_calls() -> None:
    first = answers("shed")
    with pytest.raises(CallWaits):
        await run(scripted(RULE), first)
    still, then = answers("shed"), answers()
    recorded = scripted(RULE, recorded=first.messages, recorded_steps=1, attempt=2)
    with pytest.raises(CallWaits):
        await run(recorded, still)
    assert still.kinds == ["call", "call", "call"]
    assert await run(recorded, then) == "all three"
    assert then.kinds == ["call", "call", "call", "begin", "text", "text", "respond"]
    assert [call.call_id for call in then.calls] == [call.call_id for call in first.calls]
    assert "a shed" in then.messages[0]


async def test_an_error_of_another_call_comes_before_the_wait() -> None:
    def look_up(call: ToolCall) -> ToolResult:
        if call.arguments["word"] == "weft":
            raise ConnectionError
        raise CallWaits

    with pytest.raises(ConnectionError):
        await run(scripted(RULE), Recorder(answers={"lookup": look_up}))
