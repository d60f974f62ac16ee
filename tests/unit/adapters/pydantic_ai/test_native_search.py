"""`web_search` by the model's own provider, on stubs of its protocol."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import google.oauth2.credentials
import pydantic_ai.models
import pytest

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.tool_definitions import ToolUse
from shared.domain.tool_specs import BUILT_IN
from shared.domain.tools import ToolCall
from shared.ports.agent_runner import AgentTurn
from tests.support.agent_turns import LOOKUP, Recorder, model_of, scripted, turn_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.gemini import Gemini
from tests.support.provider_stubs.replies import Answer, Call, Reply
from tests.support.provider_stubs.server import Stub, running

pytestmark = pytest.mark.loopback

CLAUDE, FLASH, GEMINI_3 = "anthropic:claude-sonnet-4-6", "google:gemini-2.5-flash", "google:gemini-3-flash-preview"
SEARCH = BUILT_IN["web_search"]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


class SearchingAnthropic(Anthropic):
    """Claude that searches before it answers: with blocks of its own for the question and the results."""

    def frames(self, answer: Answer) -> Iterator[bytes]:
        """The blocks of a search stand between the beginning and the text."""
        first, *rest = super().frames(answer)
        yield first
        use: dict[str, Any] = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
        found: dict[str, Any] = {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": "Anvils",
            "page_age": None,
        }
        found["encrypted_content"] = "x"
        result: dict[str, Any] = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]}
        delta = {"type": "input_json_delta", "partial_json": '{"query": "anvils"}'}
        yield _frame("content_block_start", index=10, content_block=use)
        yield _frame("content_block_delta", index=10, delta=delta)
        yield _frame("content_block_stop", index=10)
        yield _frame("content_block_start", index=11, content_block=result)
        yield _frame("content_block_stop", index=11)
        yield from rest


def _frame(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


@asynccontextmanager
async def stub_for(model: str, *replies: Reply) -> AsyncGenerator[tuple[Stub, PydanticAiRunner]]:
    provider, _, name = model.partition(":")
    async with running(SearchingAnthropic(name) if "anthropic" in provider else Gemini(name), replies) as stub:
        url = stub.base_url
        settings = ProviderSettings(
            "key",
            google_base_url=url,
            anthropic_api_key="key",
            anthropic_base_url=url,
            vertex_project="demo-project",
            vertex_base_url=url,
            claude_base_url=f"{url}/v1",
            credentials=google.oauth2.credentials.Credentials(token="t"),
        )
        models = Models(settings)
        try:
            yield stub, PydanticAiRunner(models)
        finally:
            await models.aclose()


def searching(model: str, *others: Any, use: dict[str, Any] | None = None, **fields: Any) -> AgentTurn:
    turn = turn_of(model_of(model), "Why do anvils ring?", tools=(SEARCH, *others), **fields)
    uses = tuple(ToolUse.model_validate({"name": tool.name, **(use or {})}) for tool in turn.tools)
    return replace(turn, agent=turn.agent.model_copy(update={"tools": uses}))


def offered(stub: Stub) -> set[str]:
    """The tools of the last request: functions by name, and what the provider does itself."""
    found: set[str] = set()
    for tool in stub.received[-1].body.get("tools", []):
        functions = [one["name"] for one in tool.get("functionDeclarations", [])]
        own = {"google_search"} if "googleSearch" in tool else {str(tool["type"])} if "type" in tool else set[str]()
        found |= own | set(functions) | ({tool["name"]} if "input_schema" in tool else set())
    return {name.partition("_2")[0] if name.startswith("web_search_2") else name for name in found}


PROVIDERS_OWN = {CLAUDE: "web_search", FLASH: "google_search", GEMINI_3: "google_search"}
ON_VERTEX = {"anthropic-vertex:claude-sonnet-4-6": "web_search", "google-cloud:gemini-2.5-flash": "google_search"}


@pytest.mark.parametrize(("model", "search"), [*PROVIDERS_OWN.items(), *ON_VERTEX.items()])
async def test_a_provider_that_searches_is_asked_to(model: str, search: str) -> None:
    async with stub_for(model, Answer(("They are hard.",))) as (stub, runner):
        recorder = Recorder()
        result = await runner.run(searching(model), recorder, recorder)

    assert result.output == "They are hard."
    assert offered(stub) == {search}
    assert all("input_schema" not in tool for tool in stub.received[-1].body["tools"])
    assert recorder.calls == []


@pytest.mark.parametrize("model", [CLAUDE, GEMINI_3])
async def test_other_tools_stay_beside_the_providers_search(model: str) -> None:
    async with stub_for(model, Answer((), (Call("lookup", {"word": "anvil"}),)), Answer(("Done.",))) as (stub, runner):
        recorder = Recorder()
        await runner.run(searching(model, LOOKUP), recorder, recorder)

    assert offered(stub) == {"lookup", PROVIDERS_OWN[model]}
    assert [call.name for call in recorder.calls] == ["lookup"]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (FLASH, {"others": (LOOKUP,)}),
        (FLASH, {"output_schema": SCHEMA}),
        (CLAUDE, {"use": {"requires_approval": True}}),
        (CLAUDE, {"use": {"config": {"engine": "deployment"}}}),
        (GEMINI_3, {"use": {"config": {"engine": "deployment"}}}),
    ],
)
async def test_the_tool_is_called_where_the_provider_cannot_or_shall_not_search(
    model: str, fields: dict[str, Any]
) -> None:
    answer = Answer(('{"a": "x"}',)) if "output_schema" in fields else Answer(("Done.",))
    async with stub_for(model, Answer((), (Call("web_search", {"query": "anvils"}),)), answer) as (stub, runner):
        recorder = Recorder()
        await runner.run(searching(model, *fields.pop("others", ()), **fields), recorder, recorder)

    assert "web_search" in offered(stub)
    assert "google_search" not in offered(stub)
    assert [(call.name, call.arguments) for call in recorder.calls] == [("web_search", {"query": "anvils"})]


async def test_a_call_that_was_made_before_is_still_executed() -> None:
    """An attempt without the provider's search died before its call was executed; the next one has that search."""
    async with stub_for(FLASH, Answer((), (Call("web_search", {"query": "x"}),)), Answer(("Done.",))) as (_, runner):
        first = Recorder(stop_at=lambda entry: isinstance(entry[1], ToolCall))
        with pytest.raises(Exception, match="call"):
            await runner.run(searching(FLASH, LOOKUP), first, first)
        second = Recorder()
        turn = replace(searching(FLASH), recorded=first.messages, recorded_steps=1, attempt=2)
        result = await runner.run(turn, second, second)

    assert result.output == "Done."
    assert [call.name for call in second.calls] == ["web_search"]


async def test_what_claude_found_is_kept_for_the_next_turn() -> None:
    async with stub_for(CLAUDE, Answer(("They are hard.",)), Answer(("Yes.",))) as (stub, runner):
        recorder = Recorder()
        await runner.run(searching(CLAUDE), recorder, recorder)
        later = Recorder()
        await runner.run(replace(searching(CLAUDE), history=recorder.messages), later, later)

    kinds = [block["type"] for message in stub.received[-1].body["messages"] for block in message["content"]]
    assert kinds == ["text", "server_tool_use", "web_search_tool_result", "text", "text"]


async def test_a_local_model_calls_the_tool() -> None:
    recorder = Recorder()
    rule = {"calls": [{"name": "web_search", "arguments": {"query": "x"}}], "chunks": ["Done."]}
    turn = replace(scripted(rule, tools=(SEARCH,)), attempt=1)
    uses = (ToolUse(name="web_search"),)

    await PydanticAiRunner(Models(ProviderSettings())).run(
        replace(turn, agent=turn.agent.model_copy(update={"tools": uses})), recorder, recorder
    )

    assert [call.name for call in recorder.calls] == ["web_search"]
