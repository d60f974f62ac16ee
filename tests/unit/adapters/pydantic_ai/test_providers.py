"""The real provider classes against local servers that speak their protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import google.oauth2.credentials
import pydantic_ai.models
import pytest

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.errors import DomainError, FailedPrecondition, ModelUnavailable
from shared.domain.tools import ToolResult
from tests.support.agent_turns import Recorder, Superseded, model_of, turn_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.gemini import Gemini
from tests.support.provider_stubs.replies import Answer, Call, Ending, Refusal, Reply
from tests.support.provider_stubs.server import Stub, running

pytestmark = pytest.mark.loopback

SECRET = "sk-very-secret-key"
CLAUDE, FLASH = "claude-sonnet-4-6", "gemini-2.5-flash"
MODELS = (f"google:{FLASH}", f"google-cloud:{FLASH}", f"anthropic:{CLAUDE}", f"anthropic-vertex:{CLAUDE}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a stub was told, in no provider's words."""

    system: str
    said: list[tuple[str, str]]
    tools: list[str]
    schema: dict[str, Any]


def asked(stub: Stub, place: int = -1) -> Asked:
    body = stub.received[place].body
    return _anthropic_asked(body) if "messages" in body else _gemini_asked(body)


def _anthropic_asked(body: dict[str, Any]) -> Asked:
    system = body.get("system", "")
    said = [
        (message["role"], block.get("text") or json.dumps(block.get("input", block.get("content"))))
        for message in body["messages"]
        for block in ([{"text": message["content"]}] if isinstance(message["content"], str) else message["content"])
    ]
    tools = body.get("tools", [])
    text = system if isinstance(system, str) else "".join(block["text"] for block in system)
    return Asked(text, said, [tool["name"] for tool in tools], tools[0]["input_schema"] if tools else {})


def _gemini_asked(body: dict[str, Any]) -> Asked:
    system = "".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", []))
    said = [
        (content["role"], part.get("text") or json.dumps(part.get("functionCall", part.get("functionResponse"))))
        for content in body["contents"]
        for part in content["parts"]
    ]
    tools = [tool for group in body.get("tools", []) for tool in group.get("functionDeclarations", [])]
    schema: dict[str, Any] = (tools[0].get("parameters") or tools[0].get("parameters_json_schema", {})) if tools else {}
    return Asked(system, said, [tool["name"] for tool in tools], schema)


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


@asynccontextmanager
async def stub_for(model: str, *replies: Reply) -> AsyncGenerator[tuple[Stub, PydanticAiRunner]]:
    """A stub of the model's provider, and a runner that asks it."""
    name = model.partition(":")[2]
    async with running(Anthropic(name) if name == CLAUDE else Gemini(name), replies) as stub:
        models = Models(
            ProviderSettings(
                google_api_key=SECRET,
                google_base_url=stub.base_url,
                anthropic_api_key=SECRET,
                anthropic_base_url=stub.base_url,
                vertex_project="demo-project",
                vertex_base_url=stub.base_url,
                claude_region="us-east5",
                claude_base_url=f"{stub.base_url}/v1",
                credentials=google.oauth2.credentials.Credentials(token="t"),
            )
        )
        try:
            yield stub, PydanticAiRunner(models)
        finally:
            await models.aclose()


@pytest.mark.parametrize("model", MODELS)
async def test_a_text_arrives_delta_by_delta_with_its_usage_and_cost(model: str) -> None:
    async with stub_for(model, Answer(("Hel", "lo ", "you"))) as (stub, runner):
        recorder = Recorder()
        turn = turn_of(model_of(model), "Greet me.", system_prompt="You are kind.")
        result = await runner.run(turn, recorder, recorder)

    assert result.output == "Hello you"
    assert recorder.deltas == ["Hel", "lo ", "you"]
    (response,) = recorder.responses
    assert (response.usage.requests, response.usage.input_tokens, response.usage.output_tokens) == (1, 1000, 100)
    assert response.usage.cost_usd_micros is not None
    assert response.usage.cost_usd_micros > 0
    told = asked(stub)
    assert told.system == "You are kind."
    assert told.said == [("user", "Greet me.")]
    assert told.tools == ["lookup"]
    assert set(told.schema["properties"]) == {"word", "limit"}
    assert len(stub.received) == 1


@pytest.mark.parametrize("model", MODELS)
async def test_a_tool_round_goes_out_and_comes_back(model: str) -> None:
    calls = (Call("lookup", {"word": "loom"}), Call("lookup", {"word": "fire", "limit": 2}))
    async with stub_for(model, Answer(("Let me see.",), calls), Answer(("A loom weaves.",))) as (stub, runner):
        recorder = Recorder({"lookup": ToolResult({"meaning": "a frame for weaving"})})
        turn = turn_of(model_of(model), "What is a loom?", system_prompt="Be exact.")
        result = await runner.run(turn, recorder, recorder)

    assert result.output == "A loom weaves."
    assert recorder.kinds == ["begin", "text", "respond", "call", "call", "begin", "text", "respond"]
    assert [dict(call.arguments) for call in recorder.calls] == [dict(call.arguments) for call in calls]
    first = recorder.responses[0]
    assert [call.call_id for call in first.calls] == [call.call_id for call in recorder.calls]
    assert len({call.call_id for call in first.calls}) == len(calls)
    told = asked(stub)
    assert told.system == "Be exact."
    assert [role for role, _ in told.said] == ["user", "assistant" if CLAUDE in model else "model"] + (
        ["assistant" if CLAUDE in model else "model"] * 2 + ["user"] * 2
    )
    assert all("frame for weaving" in text for _, text in told.said[-2:])
    assert len(stub.received) == 2


@pytest.mark.parametrize("model", MODELS)
async def test_a_second_turn_sends_the_first_and_the_system_prompt_once(model: str) -> None:
    async with stub_for(model, Answer(("One.",)), Answer(("Two.",))) as (stub, runner):
        first = Recorder()
        await runner.run(turn_of(model_of(model), "First?", system_prompt="Count."), first, first)
        second = Recorder()
        turn = turn_of(model_of(model), "Second?", system_prompt="Count.", history=first.messages)
        await runner.run(turn, second, second)

    told = asked(stub)
    assert told.system == "Count."
    assert [text for _, text in told.said] == ["First?", "One.", "Second?"]
    assert "Count." not in "".join(first.messages)


@pytest.mark.parametrize("model", MODELS)
async def test_a_recorded_response_is_not_asked_for_again(model: str) -> None:
    calls = (Call("lookup", {"word": "loom"}),)
    async with stub_for(model, Answer(("I look.",), calls), Answer(("Done.",))) as (stub, runner):
        died = Recorder(stop_at=lambda entry: entry[0] == "call")
        turn = turn_of(model_of(model), "What is a loom?")
        with pytest.raises(Superseded):
            await runner.run(turn, died, died)
        again = Recorder()
        turn = turn_of(model_of(model), "What is a loom?", recorded=died.messages, recorded_steps=1, attempt=2)
        result = await runner.run(turn, again, again)

    assert result.output == "Done."
    assert again.kinds == ["call", "begin", "text", "respond"]
    assert again.calls == died.calls
    assert again.responses[0].step == 1
    assert len(stub.received) == 2


@pytest.mark.parametrize("model", MODELS)
async def test_a_rate_limit_is_reported_with_its_delay_and_not_retried(model: str) -> None:
    async with stub_for(model, Refusal(429, "slow down", {"Retry-After": "7"})) as (stub, runner):
        recorder = Recorder()
        with pytest.raises(ModelUnavailable) as raised:
            await runner.run(turn_of(model_of(model)), recorder, recorder)

    assert raised.value.retry_after_seconds == 7
    assert len(stub.received) == 1
    assert recorder.kinds == ["begin"]


async def test_gemini_tells_the_delay_in_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "11s"}]
    model = MODELS[0]
    async with stub_for(model, Refusal(429, "slow down", details=details)) as (_, runner):
        recorder = Recorder()
        with pytest.raises(ModelUnavailable) as raised:
            await runner.run(turn_of(model_of(model)), recorder, recorder)
    assert raised.value.retry_after_seconds == 11


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, FailedPrecondition),
        (401, FailedPrecondition),
        (403, FailedPrecondition),
        (404, FailedPrecondition),
        (500, ModelUnavailable),
        (503, ModelUnavailable),
        (529, ModelUnavailable),
    ],
)
async def test_a_refusal_is_mapped_without_a_retry_or_a_secret(
    model: str, status: int, error: type[DomainError]
) -> None:
    async with stub_for(model, Refusal(status, "no, says the stub")) as (stub, runner):
        recorder = Recorder()
        with pytest.raises(error) as raised:
            await runner.run(turn_of(model_of(model)), recorder, recorder)

    assert type(raised.value) is error
    assert model in raised.value.message
    assert str(status) in raised.value.message
    assert SECRET not in raised.value.message
    assert len(stub.received) == 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ending", [Ending.CUT, Ending.SILENT, Ending.ERROR])
async def test_a_stream_that_breaks_off_is_no_answer(model: str, ending: Ending) -> None:
    async with stub_for(model, Answer(("Half an ", "ans"), ending=ending)) as (stub, runner):
        recorder = Recorder()
        with pytest.raises(ModelUnavailable):
            await runner.run(turn_of(model_of(model)), recorder, recorder)

    assert recorder.deltas == ["Half an ", "ans"]
    assert recorder.responses == []
    assert len(stub.received) == 1


@pytest.mark.parametrize("model", MODELS)
async def test_an_engine_that_gives_up_closes_the_stream(model: str) -> None:
    async with stub_for(model, Answer(("and on ",), ending=Ending.NEVER)) as (stub, runner):
        recorder = Recorder(stop_at=lambda _: len(recorder.deltas) == 5)
        with pytest.raises(Superseded):
            await runner.run(turn_of(model_of(model)), recorder, recorder)
        await asyncio.wait_for(stub.gone.wait(), timeout=10)

    assert recorder.kinds == ["begin", *["text"] * 5]
    assert len(stub.received) == 1


@pytest.mark.parametrize("model", MODELS)
async def test_a_cancelled_task_closes_the_stream(model: str) -> None:
    async with stub_for(model, Answer(("and on ",), ending=Ending.NEVER)) as (stub, runner):
        streaming = asyncio.Event()
        recorder = Recorder(stop_at=lambda _: bool(recorder.deltas) and streaming.set() is not None)
        task = asyncio.ensure_future(runner.run(turn_of(model_of(model)), recorder, recorder))
        await asyncio.wait_for(streaming.wait(), timeout=10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(stub.gone.wait(), timeout=10)


@pytest.mark.parametrize("model", MODELS)
async def test_a_request_that_takes_too_long_is_given_up(model: str) -> None:
    spec = model_of(
        {"provider": model.partition(":")[0], "model": model.partition(":")[2], "request_timeout_seconds": 0.3}
    )
    async with stub_for(model, Answer(("and on ",), ending=Ending.NEVER)) as (stub, runner):
        recorder = Recorder()
        with pytest.raises(ModelUnavailable, match="in time"):
            await runner.run(turn_of(spec), recorder, recorder)
        await asyncio.wait_for(stub.gone.wait(), timeout=10)


@pytest.mark.parametrize("model", MODELS)
async def test_a_provider_that_cannot_be_reached_is_unavailable(model: str) -> None:
    recorder = Recorder()
    async with stub_for(model) as (stub, runner):
        await stub.close()
        with pytest.raises(ModelUnavailable):
            await runner.run(turn_of(model_of(model)), recorder, recorder)


async def test_settings_of_the_definition_reach_the_provider() -> None:
    fields = {"temperature": 0.1, "top_p": 0.9, "max_tokens": 77, "stop_sequences": ("END",)}
    for model in (MODELS[0], MODELS[2]):
        provider, _, name = model.partition(":")
        async with stub_for(model, Answer(("ok",))) as (stub, runner):
            recorder = Recorder()
            spec = model_of({"provider": provider, "model": name, **fields})
            await runner.run(turn_of(spec), recorder, recorder)
        body = stub.received[0].body
        sent = body.get("generationConfig", body)
        assert sent["temperature"] == 0.1
        assert sent.get("max_tokens", sent.get("maxOutputTokens")) == 77
        assert sent.get("stop_sequences", sent.get("stopSequences")) == ["END"]


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_is_told_which_messages_are_lost(model: str) -> None:
    async with stub_for(model, Answer(("ok",))) as (stub, runner):
        recorder = Recorder()
        kept = runner.history("First?", "One.")
        turn = turn_of(model_of(model), "Second?", system_prompt="Be kind.", history=(*kept, "damaged"))
        await runner.run(turn, recorder, recorder)

    told = asked(stub)
    assert "1 stored message(s)" in told.system
    assert "message 3" in told.system
    assert [text for _, text in told.said] == ["First?", "One.", "Second?"]
