"""A model that is down is replaced by the next one of the definition, and nothing that was said is lost."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pydantic_ai.models
import pytest

from shared.adapters.pydantic_ai.failures import LONGEST_WAIT_SECONDS
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.allowed_models import AllowedModels
from shared.domain.definitions import Limits
from shared.domain.errors import FailedPrecondition, LimitReached, ModelUnavailable
from shared.domain.tools import ToolCall, ToolResult
from shared.domain.usage import Usage
from shared.ports.agent_runner import AgentTurn
from tests.support.agent_turns import Recorder, Superseded, model_of, turn_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.gemini import Gemini
from tests.support.provider_stubs.replies import Answer, Call, Ending, Refusal, Reply
from tests.support.provider_stubs.server import Stub, running

CLAUDE, GEMINI = "anthropic:claude-sonnet-4-6", "google:gemini-3.8-flash"
LOCAL = {"provider": "local", "model": "scripted"}
DOWN = {"error": {"status": 503}}
ASK = Call("lookup", {"word": "loom"})


def chained(*scripts: dict[str, Any], **fields: Any) -> AgentTurn:
    """A turn of local:scripted, with one rule for each model of the chain."""
    first, *others = scripts
    fallbacks = [{**LOCAL, "script": [script]} for script in others]
    return turn_of(model_of({**LOCAL, "fallbacks": fallbacks}, [first]), **fields)


async def run(turn: AgentTurn, recorder: Recorder, allowed: AllowedModels | None = None) -> Any:
    runner = PydanticAiRunner(Models(ProviderSettings(), allowed))
    return (await runner.run(turn, recorder, recorder)).output


@asynccontextmanager
async def two_stubs(claude: list[Reply], gemini: list[Reply]) -> AsyncGenerator[tuple[Stub, Stub, PydanticAiRunner]]:
    """Claude first, then Gemini."""
    async with (
        running(Anthropic("claude-sonnet-4-6"), claude) as one,
        running(Gemini("gemini-3.8-flash"), gemini) as two,
    ):
        settings = ProviderSettings("k", two.base_url, "k", one.base_url)
        models = Models(settings)
        try:
            yield one, two, PydanticAiRunner(models)
        finally:
            await models.aclose()


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


def with_fallback(**fields: Any) -> AgentTurn:
    provider, _, name = CLAUDE.partition(":")
    return turn_of(model_of({"provider": provider, "model": name, "fallbacks": [GEMINI]}), **fields)


@pytest.mark.loopback
@pytest.mark.parametrize("refusal", [Refusal(429, headers={"Retry-After": "7"}), Refusal(503), Refusal(529)])
async def test_the_next_model_answers_in_the_same_step(refusal: Refusal) -> None:
    async with two_stubs([refusal], [Answer(("Hello.",))]) as (claude, gemini, runner):
        recorder = Recorder()
        result = await runner.run(with_fallback(system_prompt="Be kind."), recorder, recorder)
    assert result.output == "Hello."
    assert recorder.log[:2] == [("begin", 0), ("begin", 0)]
    assert recorder.kinds[2:] == ["text", "respond"]
    (response,) = recorder.responses
    assert (response.step, response.model_name) == (0, GEMINI)
    assert response.usage.cost_usd_micros
    assert (len(claude.received), len(gemini.received)) == (1, 1)
    said = gemini.received[0].body["contents"]
    assert [part["text"] for content in said for part in content["parts"]] == ["hello"]


@pytest.mark.loopback
@pytest.mark.parametrize("ending", [Ending.CUT, Ending.SILENT, Ending.ERROR])
async def test_a_stream_that_breaks_off_is_begun_again_by_the_next_model(ending: Ending) -> None:
    async with two_stubs([Answer(("Half an ",), ending=ending)], [Answer(("Whole.",))]) as (_, _, runner):
        recorder = Recorder()
        result = await runner.run(with_fallback(), recorder, recorder)
    assert result.output == recorder.responses[0].text == "Whole."
    assert recorder.kinds == ["begin", "text", "begin", "text", "respond"]
    assert "Half" not in "".join(recorder.messages)


@pytest.mark.loopback
async def test_the_next_model_goes_on_after_the_tools_of_the_first() -> None:
    replies: list[Reply] = [Answer(("I look.",), (ASK,)), Refusal(529)]
    async with two_stubs(replies, [Answer(("A frame.",))]) as (_, gemini, runner):
        recorder = Recorder({"lookup": ToolResult("a frame for weaving")})
        result = await runner.run(with_fallback(), recorder, recorder)
    assert result.output == "A frame."
    assert [call.name for call in recorder.calls] == ["lookup"]
    assert [response.model_name for response in recorder.responses] == [CLAUDE, GEMINI]
    assert [response.step for response in recorder.responses] == [0, 1]
    told = json.dumps(gemini.received[0].body)
    assert "a frame for weaving" in told
    later = Recorder()
    assert await run(chained({"chunks": ["read"]}, history=recorder.messages), later) == "read"


@pytest.mark.loopback
async def test_a_model_that_took_over_answers_the_rest_of_the_attempt() -> None:
    async with two_stubs([Refusal(503)], [Answer((), (ASK,)), Answer(("Done.",))]) as (claude, gemini, runner):
        recorder = Recorder()
        await runner.run(with_fallback(), recorder, recorder)
    assert (len(claude.received), len(gemini.received)) == (1, 2)


@pytest.mark.loopback
async def test_when_all_are_down_the_node_waits_for_the_first_that_is_back() -> None:
    wait: list[Reply] = [Refusal(429, headers={"Retry-After": "30"})]
    async with two_stubs(wait, [Refusal(429, headers={"Retry-After": "7"})]) as (_, _, runner):
        recorder = Recorder()
        with pytest.raises(ModelUnavailable) as raised:
            await runner.run(with_fallback(), recorder, recorder)
    assert raised.value.retry_after_seconds == 7
    assert CLAUDE in raised.value.message
    assert GEMINI in raised.value.message


@pytest.mark.loopback
@pytest.mark.parametrize(("said", "waited"), [("7", 7), ("864000", LONGEST_WAIT_SECONDS), ("0", 0), ("soon", None)])
async def test_a_provider_puts_a_node_off_for_an_hour_at_most(said: str, waited: float | None) -> None:
    async with two_stubs([Refusal(429, headers={"Retry-After": said})], []) as (_, _, runner):
        recorder = Recorder()
        with pytest.raises(ModelUnavailable) as raised:
            await runner.run(turn_of(model_of(CLAUDE)), recorder, recorder)
    assert raised.value.retry_after_seconds == waited


async def test_three_models_can_take_the_place_of_one() -> None:
    recorder = Recorder()
    assert await run(chained(DOWN, DOWN, DOWN, {"chunks": ["fourth"]}), recorder) == "fourth"
    assert recorder.kinds == ["begin"] * 4 + ["text", "respond"]


async def test_what_a_model_refuses_is_not_asked_of_another() -> None:
    recorder = Recorder()
    with pytest.raises(FailedPrecondition):
        await run(chained({"error": {"status": 400}}, {"chunks": ["never"]}), recorder)
    assert recorder.kinds == ["begin"]


async def test_an_error_of_the_engine_is_not_taken_for_the_models() -> None:
    class Failing(Recorder):
        async def call(self, call: ToolCall) -> ToolResult:
            await super().call(call)
            raise ModelUnavailable(f"the delegate's model, asked by {call.name}, is down")

    recorder = Failing()
    asks = {"calls": [{"name": "lookup", "arguments": {"word": "a"}}]}
    with pytest.raises(ModelUnavailable, match="delegate"):
        await run(chained(asks, {"chunks": ["never"]}), recorder)
    assert recorder.kinds == ["begin", "respond", "call"]


async def test_an_attempt_that_died_goes_on_with_the_first_model() -> None:
    asks = {"calls": [{"name": "lookup", "arguments": {"word": "a"}}], "chunks": ["from the second"]}
    died = Recorder(stop_at=lambda entry: entry[0] == "call")
    with pytest.raises(Superseded):
        await run(chained(DOWN, asks), died)
    again = Recorder()
    turn = chained({"chunks": ["from the first"]}, asks, recorded=died.messages, recorded_steps=1, attempt=2)
    assert await run(turn, again) == "from the first"
    assert again.kinds == ["call", "begin", "text", "respond"]


async def test_a_limit_counts_over_all_models() -> None:
    asks = {"calls": [{"name": "lookup", "arguments": {"word": "a"}}], "error": {"after_chunks": 0}, "chunks": ["x"]}
    recorder = Recorder()
    with pytest.raises(LimitReached):
        await run(chained(asks, {"chunks": ["never"]}, limits=Limits(requests=1)), recorder)
    assert len(recorder.responses) == 1


@pytest.mark.parametrize(
    ("model", "missing"),
    [("anthropic:claude-x", r"claude-x is not among"), ({**LOCAL, "fallbacks": ["google:gemini-x"]}, "gemini-x")],
)
async def test_a_deployment_asks_no_model_that_it_does_not_allow(model: Any, missing: str) -> None:
    recorder = Recorder()
    allowed = AllowedModels(("local:*", "anthropic:claude-sonnet-*"))
    with pytest.raises(FailedPrecondition, match=missing):
        await run(turn_of(model_of(model)), recorder, allowed)
    assert recorder.log == []


async def test_the_deployments_own_choice_answers_for_default() -> None:
    recorder = Recorder()
    turn = turn_of(model_of({"provider": "default", "model": "default"}), "What weaves?")
    await run(turn, recorder, AllowedModels(default="local:extractive"))
    assert recorder.responses[0].model_name == "local:extractive"


async def test_a_model_without_a_known_price_is_refused_where_cost_is_limited() -> None:
    recorder = Recorder()
    limits = Limits(cost_usd_micros=1000)
    with pytest.raises(FailedPrecondition, match="price is not known"):
        await run(turn_of(model_of("google:gemini-unheard-of"), limits=limits), recorder)
    assert recorder.log == []
    turn = turn_of(model_of("local:scripted", [{"chunks": ["free"]}]), limits=limits)
    assert await run(turn, recorder) == "free"
    assert recorder.responses[0].usage.cost_usd_micros == 0


@pytest.mark.parametrize(
    ("used", "error"),
    [
        (Usage(requests=1, cost_usd_micros=1000), LimitReached),
        (Usage(requests=1, cost_usd_micros=None), FailedPrecondition),
    ],
)
async def test_no_request_is_made_beyond_the_limit_of_cost(used: Usage, error: type[Exception]) -> None:
    recorder = Recorder()
    with pytest.raises(error):
        await run(chained({"chunks": ["x"]}, limits=Limits(cost_usd_micros=1000), recorded_usage=used), recorder)
    assert recorder.log == []
