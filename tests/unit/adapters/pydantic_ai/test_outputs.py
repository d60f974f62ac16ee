"""An agent with an output schema answers with a value that fits it, or fails and says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pydantic_ai.models
import pytest

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.outputs import MOST_ANSWERS
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.definitions import Limits
from shared.domain.errors import LimitReached, OutputInvalid
from tests.support.agent_turns import LOOKUP, Recorder, Superseded, model_of, scripted, turn_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.gemini import Gemini
from tests.support.provider_stubs.replies import Answer
from tests.support.provider_stubs.server import running

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "pages": {"$ref": "#/$defs/count"}},
    "required": ["title", "pages"],
    "additionalProperties": False,
    "$defs": {"count": {"type": "integer", "minimum": 1}},
}
GOOD = {"title": "Looms", "pages": 3}
TEXT = json.dumps(GOOD)
NO_PAGES = json.dumps({"title": "Looms"})


async def run(turn: Any, recorder: Recorder) -> Any:
    return (await PydanticAiRunner(Models(ProviderSettings())).run(turn, recorder, recorder)).output


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


@pytest.mark.parametrize("chunks", [[TEXT], [TEXT[:9], TEXT[9:]], [f"```json\n{TEXT}\n```"], [f"\n  {TEXT}\n"]])
async def test_the_output_is_the_value_and_its_json_is_the_text(chunks: list[str]) -> None:
    recorder = Recorder()
    assert await run(scripted({"chunks": chunks}, output_schema=SCHEMA), recorder) == GOOD
    assert recorder.deltas == chunks
    assert recorder.responses[0].text == "".join(chunks)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (NO_PAGES, "output.pages: is missing"),
        (json.dumps({**GOOD, "pages": "three"}), "output.pages: must be a whole number"),
        (json.dumps({**GOOD, "pages": 0}), "output.pages: must be at least 1"),
        (json.dumps({**GOOD, "author": "me"}), "output.author: is not a known key"),
    ],
)
async def test_a_model_is_told_what_does_not_fit_and_answers_again(wrong: str, fault: str) -> None:
    recorder = Recorder()
    rules = ({"when": fault, "chunks": [TEXT]}, {"chunks": [wrong]})
    assert await run(scripted(*rules, output_schema=SCHEMA), recorder) == GOOD
    assert [response.text for response in recorder.responses] == [wrong, TEXT]
    assert recorder.kinds == ["begin", "text", "respond"] * 2


@pytest.mark.parametrize("wrong", ["no JSON", "[1]", "3", "{"])
async def test_what_is_no_json_object_is_asked_for_again(wrong: str) -> None:
    recorder = Recorder()
    with pytest.raises(OutputInvalid, match="output"):
        await run(scripted({"chunks": [wrong]}, output_schema=SCHEMA), recorder)
    assert len(recorder.responses) == MOST_ANSWERS


async def test_a_model_that_never_fits_fails_with_the_last_faults() -> None:
    recorder = Recorder()
    with pytest.raises(OutputInvalid, match=r"output.pages: is missing") as raised:
        await run(scripted({"chunks": [NO_PAGES]}, output_schema=SCHEMA), recorder)
    assert (raised.value.code, raised.value.retryable) == ("output_invalid", False)
    assert len(recorder.responses) == MOST_ANSWERS


async def test_asking_again_counts_against_the_limit_of_requests() -> None:
    recorder = Recorder()
    with pytest.raises(LimitReached):
        await run(scripted({"chunks": [NO_PAGES]}, output_schema=SCHEMA, limits=Limits(requests=2)), recorder)
    assert len(recorder.responses) == 2


async def test_tools_come_before_the_output() -> None:
    rule = {"calls": [{"name": "lookup", "arguments": {"word": "loom"}}], "chunks": [TEXT]}
    recorder = Recorder()
    assert await run(scripted(rule, output_schema=SCHEMA), recorder) == GOOD
    assert [call.name for call in recorder.calls] == ["lookup"]


@pytest.mark.parametrize("system_prompt", ["", "Be exact."])
async def test_a_recorded_answer_is_read_again_and_not_asked_for_again(system_prompt: str) -> None:
    first = Recorder()
    await run(scripted({"chunks": [TEXT]}, output_schema=SCHEMA), first)
    again = Recorder()
    turn = scripted(
        output_schema=SCHEMA, recorded=first.messages, recorded_steps=1, attempt=2, system_prompt=system_prompt
    )
    assert await run(turn, again) == GOOD
    assert again.log == []


@pytest.mark.parametrize("system_prompt", ["", "Be exact."])
async def test_an_attempt_after_a_wrong_answer_goes_on_with_what_was_wrong(system_prompt: str) -> None:
    first = Recorder(stop_at=lambda entry: entry == ("begin", 1))
    rules = ({"when": "output.pages: is missing", "chunks": [TEXT]}, {"chunks": [NO_PAGES]})
    with pytest.raises(Superseded):
        await run(scripted(*rules, output_schema=SCHEMA), first)
    again = Recorder()
    turn = scripted(
        *rules,
        output_schema=SCHEMA,
        recorded=first.messages,
        recorded_steps=1,
        attempt=2,
        system_prompt=system_prompt,
    )
    assert await run(turn, again) == GOOD
    assert again.kinds == ["begin", "text", "respond"]


async def test_a_model_that_takes_over_is_told_what_was_wrong_before() -> None:
    down = {"when": "is missing", "error": {"status": 503}}
    second = {
        "provider": "local",
        "model": "scripted",
        "script": [{"when": "is missing", "chunks": [TEXT]}],
    }
    model = {"provider": "local", "model": "scripted", "fallbacks": [second]}
    recorder = Recorder()
    turn = turn_of(model_of(model, [down, {"chunks": [NO_PAGES]}]), output_schema=SCHEMA)
    assert await run(turn, recorder) == GOOD
    assert recorder.kinds == ["begin", "text", "respond", "begin", "begin", "text", "respond"]


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("model", "has_tools", "is_native"),
    [
        ("anthropic:claude-sonnet-4-6", True, True),
        ("anthropic:claude-sonnet-4-6", False, True),
        ("anthropic:claude-3-haiku-20240307", True, False),
        ("google:gemini-3.8-flash", True, True),
        ("google:gemini-2.5-flash", False, True),
        ("google:gemini-2.5-flash", True, False),
    ],
)
async def test_a_provider_keeps_to_the_schema_where_it_can_and_else_the_model_is_told(
    model: str,
    has_tools: bool,  # noqa: FBT001 - a table
    is_native: bool,  # noqa: FBT001 - likewise
) -> None:
    name = model.partition(":")[2]
    dialect = Anthropic(name) if "claude" in name else Gemini(name)
    async with running(dialect, [Answer((TEXT[:10], TEXT[10:]))]) as stub:
        models = Models(ProviderSettings("k", stub.base_url, "k", stub.base_url))
        recorder = Recorder()
        tools = (LOOKUP,) if has_tools else ()
        result = await PydanticAiRunner(models).run(
            turn_of(model_of(model), tools=tools, output_schema=SCHEMA), recorder, recorder
        )
        await models.aclose()
    assert result.output == GOOD
    assert recorder.deltas == [TEXT[:10], TEXT[10:]]
    body = stub.received[0].body
    sent = json.dumps(body.get("output_config", body.get("output_format")) or body.get("generationConfig"))
    told = json.dumps(body.get("system", body.get("systemInstruction")))
    assert ("title" in sent, "title" in told) == (is_native, not is_native)
    assert "tool_choice" not in body or body["tool_choice"]["type"] == "auto"
