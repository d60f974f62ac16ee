"""What a request is said to consume at most is what it consumes at most; a budget shortens answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from shared.adapters.pydantic_ai.forecasts import FILE_TOKENS, LEAST_OUTPUT_TOKENS, MOST_OUTPUT_TOKENS, forecast
from shared.adapters.pydantic_ai.models import Models, request_settings
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.ports.agent_runner import AgentTurn, Forecast
from tests.support.agent_turns import LOOKUP, Recorder, model_of, turn_of

CLAUDE = "anthropic:claude-sonnet-4-5"


def scripted(*rules: dict[str, Any], price: int = 0, **more: Any) -> AgentTurn:
    model = {"provider": "local", "model": "scripted", "usd_micros_per_token": price}
    return replace(turn_of(model_of(model, rules), **more), is_metered=True)


async def play(turn: AgentTurn, recorder: Recorder) -> str:
    result = await PydanticAiRunner(Models(ProviderSettings())).run(turn, recorder, recorder)
    return result.output


def forecast_of(model: str, *messages: ModelMessage, **settings: Any) -> Forecast:
    return forecast(model_of(model).model_copy(update=settings), messages)


async def test_no_response_consumes_more_than_its_forecast() -> None:
    recorder = Recorder()
    rules = (
        {"when": "look", "calls": [{"name": "lookup", "arguments": {"word": "loom"}}], "chunks": ["It weaves. " * 50]},
    )
    await play(scripted(*rules, price=3, prompt="look " * 40, system_prompt="Be exact."), recorder)
    assert len(recorder.forecasts) == len(recorder.responses) == 2
    for told, response in zip(recorder.forecasts, recorder.responses, strict=True):
        used = response.usage
        assert 0 < used.input_tokens <= told.input_tokens
        assert used.output_tokens <= told.output_tokens
        cost = used.cost_usd_micros or 0
        assert cost == 3 * (used.input_tokens + used.output_tokens)
        most = (told.input_cost_usd_micros or 0) + told.output_usd_micros_per_token * told.output_tokens
        assert cost <= most


async def test_without_a_budget_there_is_no_forecast() -> None:
    recorder = Recorder()
    await play(replace(scripted({"chunks": ["hello"]}), is_metered=False), recorder)
    assert recorder.forecasts == []


@pytest.mark.parametrize(("longest", "characters"), [(None, 60), (15, 60), (14, 56), (3, 12)])
async def test_an_answer_is_no_longer_than_the_budget_allows(longest: int | None, characters: int) -> None:
    recorder = Recorder(longest=longest)
    said = await play(scripted({"chunks": ["0123456789"], "repeat": 6}), recorder)
    assert len(said) == characters
    assert recorder.responses[0].usage.output_tokens == characters // 4


def test_a_provider_is_asked_for_no_more_than_the_budget_allows() -> None:
    spec = model_of(CLAUDE)
    assert "max_tokens" not in request_settings(spec)
    assert request_settings(spec, 700).get("max_tokens") == 700
    limited = spec.model_copy(update={"max_tokens": 900})
    assert request_settings(limited).get("max_tokens") == 900
    assert request_settings(limited, 450).get("max_tokens") == 450


def test_the_definition_says_how_long_an_answer_may_be() -> None:
    assert forecast_of(CLAUDE).output_tokens == MOST_OUTPUT_TOKENS
    assert forecast_of(CLAUDE).least_output_tokens == LEAST_OUTPUT_TOKENS
    limited = forecast_of(CLAUDE, max_tokens=100)
    assert (limited.output_tokens, limited.least_output_tokens) == (100, 100)


def test_a_price_is_known_or_not() -> None:
    known = forecast_of(CLAUDE, ModelRequest([UserPromptPart("x" * 300_000)]))
    assert known.input_cost_usd_micros is not None
    assert known.input_cost_usd_micros > 250_000
    assert known.output_usd_micros_per_token == 15
    assert forecast_of("google:gemini-unheard-of").input_cost_usd_micros is None


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (UserPromptPart("x" * 3000), 1000),
        (UserPromptPart(["x" * 3000, BinaryContent(b"p", media_type="image/png")]), 1000 + FILE_TOKENS),
        (ToolReturnPart("lookup", "x" * 3000, tool_call_id="1"), 1000),
        (TextPart("x" * 3000), 1000),
        (ThinkingPart("x" * 3000), 1000),
        (ToolCallPart("lookup", {"word": "x" * 3000}), 1000),
    ],
)
def test_everything_that_is_sent_counts(part: Any, tokens: int) -> None:
    answers = isinstance(part, (TextPart, ThinkingPart, ToolCallPart))
    parts: list[Any] = [part]
    message = ModelResponse(parts) if answers else ModelRequest(parts)
    bare = forecast_of(CLAUDE).input_tokens
    assert tokens <= forecast_of(CLAUDE, message).input_tokens - bare <= tokens + 30


def test_what_goes_with_the_conversation_counts() -> None:
    spec = model_of(CLAUDE)
    assert forecast(spec, ()).input_tokens == 0
    assert forecast(spec, (), tools=(LOOKUP,)).input_tokens > 40
    assert 1000 <= forecast(spec, (), instructions=("x" * 3000,)).input_tokens <= 1030
    schema = {"type": "object", "description": "x" * 3000}
    assert 1000 <= forecast(spec, (), output_schema=schema).input_tokens <= 1200


async def test_instructions_count_once_however_long_the_conversation_is_and_after_a_takeover_too() -> None:
    rules = ({"when": "look", "calls": [{"name": "lookup", "arguments": {"word": "loom"}}], "chunks": ["It weaves."]},)
    turn = scripted(*rules, price=3, prompt="look", system_prompt="x" * 30_000)
    recorder = Recorder()
    await play(turn, recorder)
    first, second = (told.input_tokens for told in recorder.forecasts)
    assert second - first < 300
    for told, response in zip(recorder.forecasts, recorder.responses, strict=True):
        assert 30_000 // 4 <= response.usage.input_tokens <= told.input_tokens
    later = Recorder()
    await play(replace(turn, recorded=recorder.responses[0].messages, recorded_steps=1), later)
    assert [told.input_tokens for told in later.forecasts] == [second]
