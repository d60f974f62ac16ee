"""Images that tools show: sent to models that see, references everywhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pydantic_ai.models
import pytest

from shared.adapters.pydantic_ai.files import NOT_SHOWN
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.tool_specs import BUILT_IN
from shared.domain.tools import Attachment, ShownFile, ToolResult
from shared.ports.agent_runner import AgentTurn
from tests.support.agent_turns import Recorder, Superseded, model_of, turn_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.gemini import Gemini
from tests.support.provider_stubs.replies import Answer, Call, Reply
from tests.support.provider_stubs.server import Stub, running

pytestmark = pytest.mark.loopback

PIXELS = b"\x89PNG the pixels"
IN_BASE64 = base64.b64encode(PIXELS).decode()
FACTS = {"path": "a@b.png", "width": 4}
RESULT = ToolResult(FACTS, attachments=(Attachment("a@b.png", 3, "image/png"),))
LOOKS = Answer(("Let me see.",), (Call("image", {"path": "a@b.png"}),))
SAYS = Answer(("A cat.",))
CLAUDE = "anthropic:claude-sonnet-4-6"
MODELS = {
    CLAUDE: Anthropic("claude-sonnet-4-6"),
    "google:gemini-2.5-flash": Gemini("gemini-2.5-flash"),
    "google:gemini-3.5-flash": Gemini("gemini-3.5-flash"),
}


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


@asynccontextmanager
async def asked(model: str, *replies: Reply) -> AsyncGenerator[tuple[Stub, PydanticAiRunner]]:
    """A stub of the model's provider, and a runner that asks it."""
    async with running(MODELS[model], replies) as stub:
        settings = ProviderSettings(
            google_api_key="k", google_base_url=stub.base_url, anthropic_api_key="k", anthropic_base_url=stub.base_url
        )
        models = Models(settings)
        try:
            yield stub, PydanticAiRunner(models)
        finally:
            await models.aclose()


def third_step(entry: tuple[str, Any]) -> bool:
    return entry == ("begin", 2)


def looking(**fields: Any) -> Recorder:
    return Recorder({"image": RESULT}, files={"a@b.png": ShownFile("image/png", PIXELS)}, **fields)


def turn(model: str, **fields: Any) -> AgentTurn:
    return turn_of(model_of(model), "What is in a@b.png?", tools=[BUILT_IN["image"]], **fields)


def said(stub: Stub, place: int = -1) -> str:
    return json.dumps(stub.received[place].body)


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_that_sees_gets_the_image_and_no_journal_does(model: str) -> None:
    recorder = looking()
    async with asked(model, LOOKS, SAYS) as (stub, runner):
        result = await runner.run(turn(model), recorder, recorder)
        assert IN_BASE64 in said(stub)
        assert "a@b.png" in said(stub)

    assert result.output == "A cat."
    kept = "".join(recorder.messages)
    assert IN_BASE64 not in kept
    assert '"shown_file":{"name":"a@b.png","version":3,"mime_type":"image/png"}' in kept


@pytest.mark.parametrize("model", MODELS)
async def test_whoever_takes_the_turn_over_shows_the_image_again(model: str) -> None:
    first = looking(stop_at=third_step)
    async with asked(model, LOOKS, LOOKS, SAYS) as (stub, runner):
        with pytest.raises(Superseded):
            await runner.run(turn(model), first, first)
        recorded, steps = first.messages, len(first.responses)
        assert steps == 2
        second = looking()
        again = turn(model, recorded=recorded, recorded_steps=steps, attempt=2)
        result = await runner.run(again, second, second)
        assert said(stub).count(IN_BASE64) == 2

    assert result.output == "A cat."
    assert second.kinds.count("show") == 2


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_that_takes_documents_gets_a_pdf_as_it_is(model: str) -> None:
    attached = ToolResult({"path": "a@b.pdf"}, attachments=(Attachment("a@b.pdf", 3, "application/pdf"),))
    recorder = Recorder({"image": attached}, files={"a@b.pdf": ShownFile("application/pdf", PIXELS)})
    async with asked(model, LOOKS, SAYS) as (stub, runner):
        await runner.run(turn(model), recorder, recorder)
        assert IN_BASE64 in said(stub)
        assert "application/pdf" in said(stub)
    assert IN_BASE64 not in "".join(recorder.messages)


async def test_in_later_turns_the_model_has_the_reference() -> None:
    recorder = looking()
    async with asked(CLAUDE, LOOKS, SAYS, SAYS) as (stub, runner):
        await runner.run(turn(CLAUDE), recorder, recorder)
        later = looking()
        again = turn(CLAUDE, history=recorder.messages)
        await runner.run(again, later, later)
        assert IN_BASE64 not in said(stub)
        assert "shown_file" in said(stub)
    assert "show" not in later.kinds


async def test_an_image_that_is_gone_is_told_of_and_the_turn_goes_on() -> None:
    recorder = Recorder({"image": RESULT})
    async with asked(CLAUDE, LOOKS, SAYS) as (stub, runner):
        result = await runner.run(turn(CLAUDE), recorder, recorder)
        assert NOT_SHOWN in said(stub)
    assert result.output == "A cat."


async def test_a_local_model_gets_the_facts_and_is_told_that_it_sees_nothing() -> None:
    recorder = looking()
    rules = [
        {"when": "What is in", "calls": [{"name": "image", "arguments": {"path": "a@b.png"}}]},
        {"when": NOT_SHOWN, "chunks": ["I cannot see it."]},
    ]
    blind = turn_of(model_of("local:scripted", rules), "What is in a@b.png?", tools=[BUILT_IN["image"]])
    result = await PydanticAiRunner(Models(ProviderSettings())).run(blind, recorder, recorder)
    assert result.output == "I cannot see it."
    assert "show" not in recorder.kinds


@pytest.mark.parametrize(
    "content",
    [
        [{"shown_file": {"name": "x"}}],
        [{"shown_file": "x"}, {"shown_file": {"name": "x", "version": 1, "mime_type": "y"}, "more": 1}],
        [[], None, 3],
    ],
)
async def test_what_only_looks_like_a_reference_stays_as_it_is(content: list[Any]) -> None:
    first = Recorder({"image": ToolResult(content)}, stop_at=third_step)
    async with asked(CLAUDE, LOOKS, LOOKS, SAYS) as (_, runner):
        with pytest.raises(Superseded):
            await runner.run(turn(CLAUDE), first, first)
        second = Recorder({"image": ToolResult(content)})
        again = turn(CLAUDE, recorded=first.messages, recorded_steps=2, attempt=2)
        await runner.run(again, second, second)
    assert "show" not in second.kinds
