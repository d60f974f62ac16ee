"""The order of a turn, its recovery, its limits and its failures, with local:scripted for a model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import TransportError
from pydantic_ai.exceptions import UserError

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.adapters.pydantic_ai.toolset import FAULTY_CALLS
from shared.domain.definitions import Limits
from shared.domain.errors import DomainError, FailedPrecondition, LimitReached, ModelUnavailable
from shared.domain.tools import ToolCall, ToolResult
from shared.domain.usage import Usage
from shared.ports.agent_runner import AgentTurn
from tests.support.agent_turns import LOOKUP, Recorder, Superseded, model_of, scripted, turn_of

ROUND = {"calls": [{"name": "lookup", "arguments": {"word": "loom"}}], "chunks": ["It ", "weaves."]}


async def no_sleep(_: float) -> None:
    """Scripts pause for as long as the test likes: not at all."""


def runner() -> PydanticAiRunner:
    return PydanticAiRunner(Models(ProviderSettings(), sleep=no_sleep))


async def run(turn: AgentTurn, recorder: Recorder) -> Any:
    return (await runner().run(turn, recorder, recorder)).output


def calling(**arguments: Any) -> dict[str, Any]:
    """A rule that calls `lookup` and then says so."""
    return {"calls": [{"name": "lookup", "arguments": arguments}], "chunks": ["done"]}


async def test_a_response_is_reported_before_its_tools_and_after_its_text() -> None:
    recorder = Recorder()
    assert await run(scripted(ROUND), recorder) == "It weaves."
    assert recorder.kinds == ["begin", "respond", "call", "begin", "text", "text", "respond"]
    assert [value for kind, value in recorder.log if kind == "begin"] == [0, 1]
    first, second = recorder.responses
    assert first.calls == tuple(recorder.calls)
    assert (first.step, first.text, second.step, second.text, second.calls) == (0, "", 1, "It weaves.", ())
    assert second.model_name == "local:scripted"


async def test_messages_of_a_response_are_the_request_and_itself() -> None:
    recorder = Recorder()
    await run(scripted(ROUND, prompt="What is a loom?", system_prompt="Be exact."), recorder)
    kinds = [[part["part_kind"] for part in json.loads(message)["parts"]] for message in recorder.messages]
    assert kinds == [["user-prompt"], ["tool-call"], ["tool-return"], ["text"]]
    assert "Be exact." not in "".join(recorder.messages)


async def test_usage_of_a_response_is_its_own_and_costs_nothing_locally() -> None:
    recorder = Recorder()
    await run(scripted(ROUND, prompt="x" * 400), recorder)
    usages = [response.usage for response in recorder.responses]
    assert [usage.requests for usage in usages] == [1, 1]
    assert [usage.cost_usd_micros for usage in usages] == [0, 0]
    assert usages[0].input_tokens == 100
    assert usages[1].output_tokens == 3


@pytest.mark.parametrize("at", range(7))
async def test_a_turn_stopped_anywhere_goes_on_from_its_journal(at: int) -> None:
    whole = Recorder()
    await run(scripted(ROUND), whole)
    died = Recorder(stop_at=lambda _: len(died.log) == at + 1)
    with pytest.raises(Superseded):
        await run(scripted(ROUND), died)

    # What the sink had accepted is in the journal; a response that it refused is not.
    journal = died.messages[: 2 * (len(died.responses) - (died.kinds[-1] == "respond"))]
    again = Recorder()
    turn = scripted(ROUND, recorded=journal, recorded_steps=len(journal) // 2, attempt=2)
    assert await run(turn, again) == "It weaves."
    assert [response.text for response in again.responses] == [
        response.text for response in whole.responses[len(journal) // 2 :]
    ]
    assert [call.call_id for call in again.calls] == [call.call_id for call in whole.calls]


async def test_a_recorded_answer_is_given_without_asking() -> None:
    whole = Recorder()
    turn = scripted(ROUND, system_prompt="Be exact.")
    await run(turn, whole)
    again = Recorder()
    turn = scripted(ROUND, system_prompt="Be exact.", recorded=whole.messages, recorded_steps=2)
    assert await run(turn, again) == "It weaves."
    assert again.log == []


async def test_call_ids_of_local_models_differ_over_the_turns_of_a_conversation() -> None:
    first = Recorder()
    await run(scripted(ROUND), first)
    second = Recorder()
    await run(scripted(ROUND, history=first.messages), second)
    assert first.calls[0].call_id != second.calls[0].call_id


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "arguments.word: is missing"),
        ({"word": 3}, "arguments.word: must be text"),
        ({"word": "a", "other": 1}, "arguments.other: is not a known key here"),
        ({"word": "a", "limit": "many"}, "arguments.limit: must be a whole number"),
        ({"word": "a", "limit": 0}, "arguments.limit: must be at least 1"),
    ],
)
async def test_arguments_that_do_not_fit_go_back_to_the_model(arguments: dict[str, Any], told: str) -> None:
    recorder = Recorder()
    assert await run(scripted(calling(**arguments)), recorder) == "done"
    assert recorder.calls == []
    (part,) = json.loads(recorder.responses[1].messages[0])["parts"]
    assert told in part["content"]
    assert part["outcome"] == "retried"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ({"word": "a", "limit": None}, {"word": "a"}),
        ({"word": "a", "limit": "10"}, {"word": "a", "limit": 10}),
    ],
)
async def test_arguments_are_taken_as_a_model_means_them(arguments: dict[str, Any], meant: dict[str, Any]) -> None:
    recorder = Recorder()
    await run(scripted(calling(**arguments)), recorder)
    assert [dict(call.arguments) for call in recorder.calls] == [meant]


async def test_a_pattern_that_others_have_written_cannot_make_a_worker_hang() -> None:
    schema = {"type": "object", "properties": {"word": {"type": "string", "pattern": "^(x+x+)+y$"}}}
    recorder = Recorder()
    async with asyncio.timeout(20):
        turn = scripted(calling(word="x" * 60), tools=(replace(LOOKUP, arguments_schema=schema),))
        assert await run(turn, recorder) == "done"
    assert recorder.calls == []


async def test_a_model_that_never_learns_is_stopped() -> None:
    never = {"when": "", "calls": [{"name": "lookup"}]}
    # Each rule takes over from the one before when it sees what the tool said.
    rules = [never, *({**never, "when": "was not called"} for _ in range(FAULTY_CALLS))]
    recorder = Recorder()
    with pytest.raises(FailedPrecondition, match="lookup"):
        await run(scripted(*rules), recorder)
    assert len(recorder.responses) == FAULTY_CALLS + 1


async def test_a_failing_tool_is_a_message_and_the_run_goes_on() -> None:
    recorder = Recorder({"lookup": ToolResult({"why": "no dictionary"}, is_error=True)})
    assert await run(scripted(ROUND), recorder) == "It weaves."
    (part,) = json.loads(recorder.responses[1].messages[0])["parts"]
    assert (part["outcome"], part["content"]) == ("failed", '{"why": "no dictionary"}')


async def test_an_unknown_tool_is_a_message_and_the_run_goes_on() -> None:
    recorder = Recorder()
    assert await run(scripted({"calls": [{"name": "nonesuch"}], "chunks": ["Well."]}), recorder) == "Well."
    (part,) = json.loads(recorder.responses[1].messages[0])["parts"]
    assert "Unknown tool name: 'nonesuch'" in part["content"]
    assert recorder.calls == []


@pytest.mark.parametrize("content", ["text", {"a": [1, {"b": None}]}, [1, 2], 3.5, True, None, ""])
async def test_any_json_value_can_be_a_result_and_survives_the_journal(content: Any) -> None:
    recorder = Recorder({"lookup": ToolResult(content)})
    assert await run(scripted(ROUND), recorder) == "It weaves."
    (part,) = json.loads(recorder.messages[2])["parts"]
    assert part["content"] == content
    later = Recorder()
    assert await run(scripted({"chunks": ["ok"]}, history=recorder.messages), later) == "ok"


async def test_calls_of_one_response_run_side_by_side() -> None:
    both = asyncio.Barrier(2)

    class Meeting(Recorder):
        async def call(self, call: ToolCall) -> ToolResult:
            await both.wait()
            return await super().call(call)

    rule = {"calls": [{"name": "lookup", "arguments": {"word": word}} for word in "ab"], "chunks": ["met"]}
    recorder = Meeting()
    assert await asyncio.wait_for(run(scripted(rule), recorder), timeout=10) == "met"
    assert len(recorder.calls) == 2


@pytest.mark.parametrize("kind", ["begin", "text", "respond", "call"])
@pytest.mark.parametrize(
    "error",
    [
        Superseded("x"),
        DomainError("x"),
        TimeoutError("x"),
        asyncio.CancelledError(),
        TransportError("the store's own credentials, not the model's"),
        UserError("x"),
    ],
)
async def test_what_the_engine_raises_passes_through_untouched(kind: str, error: BaseException) -> None:
    def stop(entry: tuple[str, Any]) -> bool:
        if entry[0] == kind:
            raise error
        return False

    recorder = Recorder(stop_at=stop)
    with pytest.raises(type(error)) as raised:
        await run(scripted(ROUND), recorder)
    assert raised.value is error


@pytest.mark.parametrize(
    ("limits", "recorded_usage", "responses"),
    [
        (Limits(requests=1), Usage(), 1),
        (Limits(requests=3), Usage(requests=3), 0),
        (Limits(tool_calls=1), Usage(), 1),
        (Limits(total_tokens=5), Usage(), 1),
        (Limits(total_tokens=5), Usage(input_tokens=3, output_tokens=2), 0),
    ],
)
async def test_a_limit_stops_the_turn_after_the_response_is_journalled(
    limits: Limits, recorded_usage: Usage, responses: int
) -> None:
    rule = {**ROUND, "calls": [{"name": "lookup", "arguments": {"word": word}} for word in "ab"]}
    recorder = Recorder()
    with pytest.raises(LimitReached, match="limit of"):
        await run(scripted(rule, limits=limits, recorded_usage=recorded_usage), recorder)
    assert len(recorder.responses) == responses


async def test_recorded_tool_calls_count_once() -> None:
    died = Recorder(stop_at=lambda entry: entry[0] == "call")
    with pytest.raises(Superseded):
        await run(scripted(ROUND), died)
    again = Recorder()
    turn = scripted(
        ROUND,
        limits=Limits(tool_calls=1),
        recorded=died.messages,
        recorded_steps=1,
        recorded_usage=Usage(requests=1, tool_calls=1),
    )
    assert await run(turn, again) == "It weaves."


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        ({"status": 503}, ModelUnavailable, []),
        ({"status": 429}, ModelUnavailable, []),
        ({"status": 500, "after_chunks": 1}, ModelUnavailable, ["a"]),
        ({"status": 529, "after_chunks": 2}, ModelUnavailable, ["a", "b"]),
        ({"status": 400, "message": "too hot"}, FailedPrecondition, []),
        ({"status": 404}, FailedPrecondition, []),
    ],
)
async def test_a_scripted_error_is_a_providers_error(
    error: dict[str, Any], expected: type[DomainError], said: list[str]
) -> None:
    recorder = Recorder()
    with pytest.raises(expected, match=str(error["status"])) as raised:
        await run(scripted({"chunks": ["a", "b"], "error": error}), recorder)
    assert recorder.deltas == said
    assert recorder.responses == []
    assert ("too hot" in raised.value.message) is ("message" in error)


async def test_damaged_history_is_left_out_and_the_model_is_told() -> None:
    first = Recorder()
    await run(scripted(ROUND, prompt="First."), first)
    damaged = list(first.messages)
    damaged[1] = damaged[1][:40]  # the tool call: its result must go too
    seen = Recorder()
    turn = turn_of(model_of("local:extractive"), "What weaves?", tools=(), history=(*damaged, "{}", "not json", "1,2"))
    output = await run(turn, seen)
    assert "weaves" in output
    later = Recorder()
    assert await run(scripted({"chunks": ["fine"]}, history=tuple(damaged)), later) == "fine"


async def test_a_turn_that_failed_in_its_tools_does_not_end_the_conversation() -> None:
    died = Recorder(stop_at=lambda entry: entry[0] == "call")
    with pytest.raises(Superseded):
        await run(scripted(ROUND), died)
    later = Recorder()
    assert await run(scripted({"chunks": ["fine"]}, history=died.messages), later) == "fine"


@pytest.mark.parametrize("recorded", [("not json",), ("{}",)])
async def test_a_damaged_journal_is_refused(recorded: tuple[str, ...]) -> None:
    recorder = Recorder()
    with pytest.raises(FailedPrecondition, match="journal"):
        await run(scripted(ROUND, recorded=recorded, recorded_steps=1), recorder)


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("google:gemini-2.5-flash", "GOOGLE_API_KEY"),
        ("anthropic:claude-sonnet-4-6", "ANTHROPIC_API_KEY"),
        ("anthropic-vertex:claude-sonnet-4-6", "GOOGLE_CLOUD_PROJECT"),
        ("local:gpt", "no such model"),
    ],
)
async def test_a_model_that_is_not_configured_says_what_is_missing(model: str, missing: str) -> None:
    recorder = Recorder()
    with pytest.raises(FailedPrecondition, match=missing):
        await run(turn_of(model_of(model)), recorder)
    assert recorder.log == []


async def test_a_provider_whose_package_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_ai.models.anthropic", None)
    models = Models(ProviderSettings(anthropic_api_key="k"))
    recorder = Recorder()
    with pytest.raises(FailedPrecondition, match=r"anthropic: .* not installed"):
        await PydanticAiRunner(models).run(turn_of(model_of("anthropic:claude-sonnet-4-6")), recorder, recorder)


def test_no_provider_is_imported_before_a_definition_names_it() -> None:
    program = (
        "import sys, shared.adapters.pydantic_ai.runner;"
        "print([name for name in ('anthropic', 'google.genai', 'jsonschema', 'logfire') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ProviderSettings()),
        ({"GOOGLE_API_KEY": "", "GEMINI_API_KEY": "g"}, ProviderSettings(google_api_key="g")),
        (
            {"ANTHROPIC_API_KEY": "a", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"},
            ProviderSettings(anthropic_api_key="a", anthropic_base_url="http://127.0.0.1:1"),
        ),
        (
            {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "europe-west4", "CLOUD_ML_REGION": "us-east5"},
            ProviderSettings(vertex_project="p", vertex_location="europe-west4", claude_region="us-east5"),
        ),
    ],
)
def test_settings_have_the_names_that_the_sdks_use(environ: dict[str, str], expected: ProviderSettings) -> None:
    assert ProviderSettings.from_environ(environ) == expected


def test_keys_do_not_show_in_a_representation() -> None:
    assert "secret" not in repr(ProviderSettings(google_api_key="secret", anthropic_api_key="secret"))


async def test_history_of_a_graph_is_read_back_as_a_turn() -> None:
    messages = runner().history("Review the folder.", "Quokkas are small marsupials.")
    recorder = Recorder()
    turn = turn_of(model_of("local:extractive"), "What are quokkas?", tools=(LOOKUP,), history=tuple(messages))
    assert "small marsupials" in await run(turn, recorder)


@pytest.mark.parametrize("count", [1, 3, 200, 5000])
async def test_every_delta_arrives_once_and_in_order(count: int) -> None:
    recorder = Recorder()
    output = await run(scripted({"chunks": ["a ", "b", "c\n"], "repeat": count}), recorder)
    assert recorder.deltas == ["a ", "b", "c\n"] * count
    assert output == recorder.responses[0].text == "".join(recorder.deltas)
