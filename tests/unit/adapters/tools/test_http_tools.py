"""HTTP tools of a definition, on real sockets."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.errors import FailedPrecondition, Unavailable
from shared.domain.tools import Effect, ToolCall, ToolResult
from tests.support.http_sites import Answer, Asked, Site, Told, site_of
from tests.support.tool_rig import RUNNER, ToolRig

pytestmark = pytest.mark.loopback

SECRET = "s3cret-value-of-the-author"
ARGUMENTS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
    "required": ["city"],
    "additionalProperties": False,
}


def tool_at(site: Site, **fields: Any) -> dict[str, Any]:
    url = site.url("/cities/{city}")
    return {"name": "weather", "description": "The weather.", "url": url, "arguments": ARGUMENTS, **fields}


async def call_at(told: Answer, fields: dict[str, Any] | None = None, **arguments: Any) -> ToolResult:
    async with site_of({"*": told}) as site:
        rig = ToolRig(site.at())
        await rig.store("key", SECRET)
        return await rig.call(tool_at(site, **(fields or {})), **{"city": "Bern", **arguments})


async def refusal_at(told: Answer, fields: dict[str, Any] | None = None, **arguments: Any) -> str:
    result = await call_at(told, fields, **arguments)
    assert result.is_error, result.content
    return str(result.content)


async def test_a_call_becomes_a_request_and_its_answer_the_result() -> None:
    async with site_of({"/cities/New%20York": Told.of_json({"celsius": [21.5, None]})}) as site:
        rig = ToolRig(site.at())
        await rig.store("key", SECRET)
        tool = tool_at(site, headers={"X-Key": {"secret": "key"}, "Accept": "application/json"})

        result = await rig.call(tool, city="New York", days=3)

    assert result == ToolResult({"celsius": [21.5, None]})
    asked = site.asked[0]
    assert (asked.method, asked.query, asked.headers["x-key"]) == ("GET", {"days": "3"}, SECRET)
    assert asked.headers["accept"] == "application/json"


async def test_a_model_sees_what_the_tool_is_for_and_nothing_of_where_it_leads() -> None:
    async with site_of({}) as site:
        rig = ToolRig(site.at())
        tools = await rig.tools(http_tools=[tool_at(site, method="POST", headers={"X-Key": {"secret": "key"}})])

    tool = tools["weather"]
    assert (tool.spec.description, tool.spec.effect, tool.requires_approval) == ("The weather.", Effect.ONCE, False)
    assert tool.spec.arguments_schema == ARGUMENTS
    assert str(site.port) not in repr(tool.spec)


async def test_a_definition_may_ask_for_approval_of_any_tool() -> None:
    async with site_of({}) as site:
        uses = [{"name": name, "requires_approval": True} for name in ("weather", "file_write")]
        tools = await ToolRig().tools(http_tools=[tool_at(site)], tools=uses)

    assert {name: tool.requires_approval for name, tool in tools.items()} == {"weather": True, "file_write": True}


async def test_the_secrets_are_those_of_who_wrote_the_definition_whoever_runs_it() -> None:
    async with site_of({"*": Told.of_json({})}) as site:
        rig = ToolRig(site.at())
        await rig.store("key", "of-the-runner", owner=RUNNER)
        tool = tool_at(site, bearer_token={"secret": "key"})

        missing = await rig.call(tool, city="Bern")
        await rig.store("key", "of-the-author")
        await rig.call(tool, city="Bern")

    assert "author has not stored the secret 'key'" in str(missing.content)
    assert [asked.headers["authorization"] for asked in site.asked] == ["Bearer of-the-author"]


@pytest.mark.parametrize("fields", [{"headers": {"X-Key": {"secret": "key"}}}, {"query": {"key": {"secret": "key"}}}])
@pytest.mark.parametrize("status", [200, 403])
async def test_a_secret_that_a_server_sends_back_is_taken_out(fields: dict[str, Any], status: int) -> None:
    def echo(asked: Asked) -> Told:
        encoded = base64.b64encode(f"user:{SECRET}".encode()).decode()
        return Told.of_json({"you": asked.headers, "at": asked.target, "b64": encoded, SECRET: 1}, status)

    result = await call_at(echo, fields)

    assert result.is_error is (status != 200)
    assert SECRET not in str(result.content)
    assert "[secret]" in str(result.content)
    assert base64.b64encode(SECRET.encode()).decode()[4:-4] not in str(result.content)


async def test_no_failure_tells_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    fields = {"query": {"key": {"secret": "key"}}, "headers": {"X-Key": {"secret": "key"}}}
    async with site_of({}) as site:
        rig = ToolRig(site.at())
    await rig.store("key", SECRET)

    down = await rig.call(tool_at(site, **fields), city="Bern")
    refused = await ToolRig().call(tool_at(site), city="Bern")

    assert "got no answer" in str(down.content)
    assert "may not be reached" in str(refused.content)
    assert SECRET not in str(down.content) + str(refused.content) + caplog.text


async def test_a_store_of_secrets_that_is_down_is_a_reason_to_try_the_node_again() -> None:
    async with site_of({}) as site:
        rig = ToolRig(site.at())
        tools = await rig.tools(http_tools=[tool_at(site, bearer_token={"secret": "key"})])
        rig.documents.failure = Unavailable("the store does not answer")

        with pytest.raises(Unavailable):
            await tools["weather"].call(ToolCall(0, "call", "weather", {"city": "Bern"}))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"city": None}, "city"),
        ({"city": 3}, "city must be text"),
        ({"city": "x", "days": 9}, "days must be at most 7"),
        ({"city": "x", "dys": 1}, "dys"),
        ({"city": "../../admin"}, "slash"),
        ({"city": ".."}, "leads elsewhere"),
    ],
)
async def test_arguments_that_do_not_fit_are_explained_and_nothing_is_sent(
    arguments: dict[str, Any], words: str
) -> None:
    async with site_of({"*": Told()}) as site:
        result = await ToolRig(site.at()).call(tool_at(site), **arguments)

    assert (result.is_error, words in str(result.content), site.asked) == (True, True, [])


@pytest.mark.parametrize(
    ("told", "fields", "content"),
    [
        (Told.of_json({"data": {"items": [{"name": "x"}]}}), {"response_path": "data.items.0.name"}, "x"),
        (Told(b'{"a": 1}', headers={"Content-Type": "text/plain"}), {"response_path": "a"}, 1),
        (Told(b'{"a": 1}', headers={"Content-Type": "application/problem+json"}), {}, {"a": 1}),
        (Told(b"plain", headers={"Content-Type": "text/plain"}), {}, "plain"),
        (Told(b"", 204), {}, {"status": 204}),
        (Told(b"[NaN]", headers={"Content-Type": "application/json"}), {}, ["NaN"]),
        (Told(b"[1e999, 1e9]", headers={"Content-Type": "application/json"}), {}, ["1e999", 1e9]),
        (
            Told(b'["\\ud83d half"]', headers={"Content-Type": "application/json"}),
            {},
            ["\ufffd half"],
        ),
        (Told(b'["\\ud83d\\ude00"]', headers={"Content-Type": "application/json"}), {}, ["\N{GRINNING FACE}"]),
        (
            Told(b"x" * 20, headers={"Content-Type": "text/plain"}),
            {"max_response_bytes": 5},
            "xxxxx\n[The rest was cut off.]",
        ),
    ],
)
async def test_an_answer_is_read_as_what_it_is(told: Told, fields: dict[str, Any], content: Any) -> None:
    assert await call_at(told, fields) == ToolResult(content)


@pytest.mark.parametrize(
    ("told", "fields", "words"),
    [
        (Told(b"no such city", 404), {}, "answered 404. no such city"),
        (Told(b"", 429, {"Retry-After": "7"}), {}, "may be asked again after '7'"),
        (Told.redirect("/other", 307), {"method": "POST"}, "redirects to '/other'"),
        (Told.of_json({"a": {"b": 1}}), {"response_path": "a.c"}, "no 'c' of 'a.c': it has the keys b"),
        (Told(b"{", headers={"Content-Type": "application/json"}), {}, "JSON that is broken"),
        (
            Told(b"[" * 101 + b"]" * 101, headers={"Content-Type": "application/json"}),
            {},
            "more than 100 lists and maps",
        ),
        (Told(b"[" * 100_000, headers={"Content-Type": "application/json"}), {"max_response_bytes": 200_000}, "broken"),
        (Told(b"\x89PNG\r\n\x1a\n\0", headers={"Content-Type": "image/png"}), {}, "image/png, which is no text"),
        (Told.of_json("x" * 100), {"max_response_bytes": 50}, "more than 50 bytes"),
        (Told.redirect("http://169.254.169.254/"), {}, "may not be reached"),
    ],
)
async def test_what_is_no_answer_is_explained_to_the_model(told: Told, fields: dict[str, Any], words: str) -> None:
    assert words in await refusal_at(told, fields)


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize(("method", "happened"), [("GET", False), ("POST", True), ("DELETE", True)])
async def test_a_server_that_does_not_answer_is_told_of_with_what_may_have_happened(
    method: str, *, happened: bool
) -> None:
    message = await refusal_at(Told(parts=silence), {"method": method, "timeout_seconds": 0.2})

    assert "did not answer within 0.2 seconds" in message
    assert ("may have had its effect" in message) is happened


async def test_a_graph_may_call_a_tool_that_is_not_there_only_to_be_told() -> None:
    with pytest.raises(FailedPrecondition, match="no tool named nothing"):
        await ToolRig().tools(tools=["nothing"])


async def test_a_deployment_without_mcp_says_so() -> None:
    with pytest.raises(FailedPrecondition, match="reaches no MCP servers"):
        await ToolRig().tools(mcp_servers=[{"name": "calc", "url": "https://x.org/mcp"}])
