"""local:scripted plays what its script says."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.pydantic_ai.local_scripted import NO_RULE
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.errors import ModelUnavailable
from shared.domain.tools import ToolResult
from tests.support.agent_turns import Recorder, scripted

RULES: tuple[dict[str, Any], ...] = (
    {"when": "hello", "chunks": ["Hi!"]},
    {"when": "LOOK", "calls": [{"name": "lookup", "arguments": {"word": "a"}}], "chunks": ["looked"]},
    {"when": "look at nothing", "chunks": ["never: the rule above matches first"]},
)


async def play(recorder: Recorder, *rules: dict[str, Any], **fields: Any) -> str:
    naps: list[float] = fields.pop("naps", [])

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    runner = PydanticAiRunner(Models(ProviderSettings(), sleep=nap))
    return (await runner.run(scripted(*rules, **fields), recorder, recorder)).output


@pytest.mark.parametrize(
    ("prompt", "output"),
    [
        ("Well, HELLO there", "Hi!"),
        ("please look at nothing", "looked"),
        ("hello, look", "Hi!"),
        ("something else", NO_RULE),
    ],
)
async def test_the_first_rule_that_matches_answers(prompt: str, output: str) -> None:
    assert await play(Recorder(), *RULES, prompt=prompt) == output


async def test_an_empty_script_says_that_it_is_empty() -> None:
    assert await play(Recorder()) == NO_RULE


async def test_only_the_last_user_text_counts() -> None:
    first = Recorder()
    await play(first, *RULES, prompt="hello")
    assert await play(Recorder(), *RULES, prompt="look", history=first.messages) == "looked"


async def test_a_rule_that_names_a_result_takes_over() -> None:
    chain = (
        {"when": "go", "calls": [{"name": "lookup", "arguments": {"word": "1"}}], "chunks": ["unused"]},
        {"when": "found 1", "calls": [{"name": "lookup", "arguments": {"word": "2"}}]},
        {"when": "found 2", "chunks": ["both ", "found"]},
    )
    recorder = Recorder({"lookup": lambda call: ToolResult(f"Found {call.arguments['word']}")})
    assert await play(recorder, *chain, prompt="go") == "both found"
    assert [call.arguments["word"] for call in recorder.calls] == ["1", "2"]
    assert [call.step for call in recorder.calls] == [0, 1]


async def test_chunks_repeat_and_pause() -> None:
    naps: list[float] = []
    recorder = Recorder()
    output = await play(recorder, {"chunks": ["a", "b"], "repeat": 3, "delay_seconds": 0.5}, naps=naps)
    assert output == "ababab"
    assert naps == [0.5] * 6


@pytest.mark.parametrize(("attempt", "fails"), [(1, True), (2, True), (3, False)])
@pytest.mark.parametrize("after_chunks", [None, 1, 5])
async def test_an_error_ends_with_its_last_attempt(attempt: int, fails: bool, after_chunks: int | None) -> None:  # noqa: FBT001 - a table
    rule = {"chunks": ["a", "b"], "error": {"until_attempt": 2, "after_chunks": after_chunks}}
    if fails:
        with pytest.raises(ModelUnavailable):
            await play(Recorder(), rule, attempt=attempt)
    else:
        assert await play(Recorder(), rule, attempt=attempt) == "ab"


async def test_an_error_before_output_comes_before_the_calls() -> None:
    recorder = Recorder()
    with pytest.raises(ModelUnavailable):
        await play(recorder, {"calls": [{"name": "lookup"}], "error": {"status": 503}})
    assert recorder.kinds == ["begin"]


async def test_an_error_in_the_output_comes_after_the_calls() -> None:
    recorder = Recorder()
    rule = {
        "calls": [{"name": "lookup", "arguments": {"word": "a"}}],
        "chunks": ["a", "b"],
        "error": {"after_chunks": 1},
    }
    with pytest.raises(ModelUnavailable):
        await play(recorder, rule)
    assert recorder.kinds == ["begin", "respond", "call", "begin", "text"]
