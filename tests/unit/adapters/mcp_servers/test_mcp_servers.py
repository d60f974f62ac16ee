"""The tools of MCP servers: real ones, and ones that are down, slow, or say what is not so."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.adapters.mcp_servers.clients import McpClients
from shared.adapters.mcp_servers.offers import MAX_TOOLS
from shared.domain.errors import DomainError, EgressRefused, FailedPrecondition, Unavailable
from shared.domain.tool_definitions import MAX_ANSWER_BYTES
from shared.domain.tools import Effect, ToolCall, ToolResult
from shared.ports.tools import Tool
from tests.support.http_sites import Asked, Site, Told, site_of
from tests.support.mcp_sites import McpSite, Scripted, calculator, mcp_site
from tests.support.tool_rig import ToolRig

pytestmark = pytest.mark.loopback

SECRET = "s3cret-value-of-the-author"
JSON = {"Content-Type": "application/json"}
HERE: dict[str, Any] = {"content": [{"type": "text", "text": "here"}]}
NO_TOOLS: dict[str, Any] = {"tools": []}
NOTHING: dict[str, Any] = {"content": []}
ECHO = {"name": "echo", "description": "Say it again.", "inputSchema": {"type": "object"}}


@asynccontextmanager
async def connected(*sites: tuple[str, int], idle_seconds: float = 60) -> AsyncGenerator[ToolRig]:
    rig = ToolRig(*sites)
    clients = McpClients(rig.web.open, idle_seconds)
    found = ToolRig(*sites, mcp=clients)
    await found.store("key", SECRET)
    try:
        yield found
    finally:
        await clients.aclose()


def server_at(site: McpSite | Site, **fields: Any) -> dict[str, Any]:
    url = site.url if isinstance(site, McpSite) else site.url("/mcp")
    return {"name": "calc", "url": url, **fields}


async def call(tools: Mapping[str, Tool], name: str, /, **arguments: Any) -> ToolResult:
    return await tools[name].call(ToolCall(0, "call", name, arguments))


@pytest.mark.parametrize("kind", [{}, {"stateless": True}, {"plain": True}])
async def test_a_real_server_is_listed_and_called(kind: dict[str, bool]) -> None:
    async with mcp_site(calculator(), **kind) as site, connected(site.at) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, bearer_token={"secret": "key"}, headers={"X-Plan": "a"})])

        assert set(tools) == {"calc_add", "calc_store", "calc_fail", "calc_wait", "calc_draw_picture"}
        assert await call(tools, "calc_add", a=1, b=2) == ToolResult({"result": 3.0})
        assert (await call(tools, "calc_draw_picture")).content == (
            "Here it is.\n[image of type 'image/png', which cannot be shown here]"
        )
        failed = await call(tools, "calc_fail", reason="because")
        wrong = await call(tools, "calc_add", a="x")

    assert (failed.is_error, "Error executing tool fail" in failed.content) == (True, True)
    assert (wrong.is_error, "valid number" in wrong.content) == (True, True)
    assert {headers["authorization"] for headers in site.headers} == {f"Bearer {SECRET}"}
    assert {headers["x-plan"] for headers in site.headers} == {"a"}


async def test_what_a_repeated_call_does_is_the_authors_word_then_the_servers_then_the_worst() -> None:
    chosen = ["add", "store", {"name": "fail", "effect": "none"}, {"name": "wait", "requires_approval": True}]
    async with mcp_site(calculator()) as site, connected(site.at) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, tools=chosen, prefix="my")])
        others = await rig.tools(mcp_servers=[server_at(site)], tools=[{"name": "calc", "requires_approval": True}])

    assert {name: (tool.spec.effect, tool.requires_approval) for name, tool in tools.items()} == {
        "my_add": (Effect.NONE, False),
        "my_store": (Effect.IDEMPOTENT, False),
        "my_fail": (Effect.NONE, False),
        "my_wait": (Effect.ONCE, True),
    }
    assert all(tool.requires_approval for tool in others.values())
    assert tools["my_add"].spec.description == "Add two numbers."


async def test_a_node_is_one_client_and_lists_the_tools_once() -> None:
    reply = Scripted([ECHO], lambda params: {"content": [{"type": "text", "text": str(params["arguments"])}]})
    async with site_of({"/mcp": reply}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site)])
        again = await rig.tools(mcp_servers=[server_at(site)])
        for number in range(3):
            assert (await call(tools, "calc_echo", n=number)).content == f"{{'n': {number}}}"
        await asyncio.gather(*(call(again, "calc_echo", n=number) for number in range(3)))

    asked = [one.json["method"] for one in site.asked if one.method == "POST"]
    assert (asked.count("initialize"), asked.count("tools/list"), asked.count("tools/call")) == (1, 1, 6)


async def test_other_nodes_are_other_clients() -> None:
    async with site_of({"/mcp": Scripted([ECHO])}) as site, connected(site.at()) as rig:
        await rig.tools(mcp_servers=[server_at(site)])
        rig.for_instance("other~0")
        await rig.tools(mcp_servers=[server_at(site)])

    assert [one.json["method"] for one in site.asked if one.method == "POST"].count("initialize") == 2


async def test_agents_that_begin_at_once_share_a_session() -> None:
    async with site_of({"/mcp": Scripted([ECHO], lambda _: HERE)}) as site, connected(site.at()) as rig:
        first, second = await asyncio.gather(*(rig.tools(mcp_servers=[server_at(site)]) for _ in range(2)))
        assert (await call(first, "calc_echo")) == (await call(second, "calc_echo"))

    assert [one.json["method"] for one in site.asked if one.method == "POST"].count("initialize") == 1
    assert [one.method for one in site.asked].count("DELETE") == 1


async def test_a_session_that_is_not_used_is_closed_and_opened_again_when_it_is() -> None:
    closed = asyncio.Event()
    reply = Scripted([ECHO], lambda _: HERE)

    def noting(asked: Asked) -> Told:
        if asked.method == "DELETE":
            closed.set()
        return reply(asked)

    async with site_of({"/mcp": noting}) as site, connected(site.at(), idle_seconds=0.05) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site)])
        await closed.wait()
        assert (await call(tools, "calc_echo")).content == "here"

    assert [one.json["method"] for one in site.asked if one.method == "POST"].count("initialize") == 2


async def refusal(reply: Any, **fields: Any) -> DomainError:
    async with site_of({"/mcp": reply}) as site, connected(site.at()) as rig:
        with pytest.raises(DomainError) as raised:
            await rig.tools(mcp_servers=[server_at(site, **fields)])
    assert SECRET not in raised.value.message
    return raised.value


async def test_a_server_that_is_down_is_a_reason_to_try_the_node_again() -> None:
    async with site_of({}) as site:
        pass
    async with connected(site.at()) as rig:
        with pytest.raises(Unavailable, match="The MCP server calc cannot be reached"):
            await rig.tools(mcp_servers=[server_at(site)])


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def test_a_server_that_is_slow_is_left_in_time() -> None:
    error = await refusal(Told(headers=JSON, parts=silence), timeout_seconds=0.3)

    assert isinstance(error, Unavailable)
    assert "did not answer within 0.3 seconds" in error.message


async def test_a_slow_tool_is_left_in_time_and_the_model_told() -> None:
    async with mcp_site(calculator()) as site, connected(site.at) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, timeout_seconds=5)])
        result = await call(tools, "calc_wait", seconds=600)
        after = await call(tools, "calc_add", a=1, b=1)

    assert (result.is_error, "did not answer within 5 seconds" in result.content) == (True, True)
    assert after == ToolResult({"result": 2.0})


async def test_a_server_that_goes_away_is_told_of_and_found_again() -> None:
    reply = Scripted([ECHO], lambda _: HERE)
    async with site_of({"/mcp": reply}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, timeout_seconds=60)])
        site.answers["/mcp"] = Told(b"restarting", 503)
        gone = await call(tools, "calc_echo")
        site.answers["/mcp"] = Scripted([ECHO], lambda _: NOTHING, session="s2")
        unknown = await call(tools, "calc_echo")
        back = await call(tools, "calc_echo")

    assert gone.is_error
    assert unknown.is_error
    assert back == ToolResult("")
    assert [one.headers["mcp-session-id"] for one in site.asked if one.method == "DELETE"][-1] == "s2"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/mcp", "http://[::1]:1/mcp", "http://localhost:1/mcp"],
)
async def test_a_server_inside_is_refused(url: str) -> None:
    async with connected() as rig:
        with pytest.raises(EgressRefused):
            await rig.tools(mcp_servers=[{"name": "calc", "url": url}])


async def test_a_server_that_redirects_inside_is_refused_and_elsewhere_not_followed() -> None:
    async with site_of({"*": Told()}) as other:
        inside = await refusal(Told.redirect("http://169.254.169.254/", 307))
        elsewhere = await refusal(Told.redirect(other.url(), 307))

    assert isinstance(inside, FailedPrecondition | EgressRefused)
    assert isinstance(elsewhere, FailedPrecondition)
    assert other.asked == []


def endless(_: str | None) -> dict[str, Any]:
    return {**NO_TOOLS, "nextCursor": "again"}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Told(b"not here", 404), ""),
        (Told(b"who are you?", 401), ""),
        (Told(b"<html>", headers={"Content-Type": "text/html"}), ""),
        (Told(b"{", headers=JSON), ""),
        (Told(b"[" * 200_000, headers=JSON), ""),
        (Told(b"x" * 5_000_000, headers=JSON), ""),
        (Told(b"", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}), ""),
        (Told(b"data: {\n\n" * 10, headers={"Content-Type": "text/event-stream"}), ""),
        (Scripted(endless), "without an end"),
        (Scripted("no list"), ""),
        (Scripted([{"name": 1}]), "not MCP"),
        (Scripted([{**ECHO, "inputSchema": {"type": "array"}}]), "not MCP"),
        (Scripted([{**ECHO, "name": f"t{number}"} for number in range(MAX_TOOLS + 1)]), "choose some"),
        (Scripted([ECHO, {**ECHO, "name": "ECHO"}]), "the same name"),
    ],
)
async def test_a_server_that_is_none_or_lies_is_an_error_that_can_be_told(reply: Any, words: str) -> None:
    error = await refusal(reply, timeout_seconds=60)

    assert words in error.message
    assert error.message.isprintable()
    assert len(error.message) < 500


async def test_a_chosen_tool_that_is_not_there_is_told_with_what_there_is() -> None:
    error = await refusal(Scripted([ECHO]), tools=["echo", "divide"])

    assert error.message == "The MCP server calc has no tool divide; it has echo."


LYING_SCHEMAS: list[Any] = [
    {"type": "object", "properties": {"a": {"$ref": "http://169.254.169.254/schema"}}},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {"type": "object", "properties": {"a": {"type": "text"}}},
    {"type": "object", "properties": {"a": {"pattern": "("}}},
    {"type": "object", "properties": {f"a{number}": {"type": "string"} for number in range(3000)}},
    {"type": "object", "properties": {"a": {"description": "x" * 70_000}}},
]


@pytest.mark.parametrize("schema", LYING_SCHEMAS, ids=range(len(LYING_SCHEMAS)))
async def test_a_tool_with_a_schema_that_cannot_be_used_is_left_out_unless_it_was_chosen(schema: Any) -> None:
    reply = Scripted([ECHO, {"name": "liar", "inputSchema": schema}])
    async with site_of({"/mcp": reply}) as site, connected(site.at()) as rig:
        assert set(await rig.tools(mcp_servers=[server_at(site)])) == {"calc_echo"}

    assert "describes its tool liar wrongly" in (await refusal(reply, tools=["liar"])).message


async def test_keywords_that_are_not_understood_only_weaken_a_schema() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "x-order": 1,
        "properties": {"a": {"type": "string", "x-ui": "big", "format": "email"}, "x-b": {"anyOf": [{"x": 1}, {}]}},
        "required": ["a"],
    }
    async with site_of({"/mcp": Scripted([{**ECHO, "inputSchema": schema}])}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site)])

    shown = tools["calc_echo"].spec.arguments_schema
    assert shown["properties"] == {"a": {"type": "string", "format": "email"}, "x-b": {"anyOf": [{}, {}]}}
    assert (shown["required"], "x-order" in shown) == (["a"], False)


async def test_a_description_without_an_end_is_cut() -> None:
    tool = {**ECHO, "description": "x" * 100_000}
    async with site_of({"/mcp": Scripted([tool])}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site)])

    assert len(tools["calc_echo"].spec.description) == 4000


NESTED = json.loads("[" * 100 + "]" * 100)


@pytest.mark.parametrize(
    ("answer", "is_error", "words"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, False, "a\nb"),
        ({"content": [], "structuredContent": {"a": [1]}}, False, "{'a': [1]}"),
        ({"content": [{"type": "text", "text": "no"}], "isError": True}, True, "no"),
        ({"content": [], "isError": True}, True, "calc_echo failed."),
        ({"content": [{"type": "text", "text": "x" * 100_000}]}, False, "cut off"),
        ({"content": [], "structuredContent": {"a": "x" * MAX_ANSWER_BYTES}}, True, "ask for less"),
        ({"content": [], "structuredContent": {"a": NESTED}}, True, "more than 100 lists and maps"),
        ({"content": [{"type": "resource_link", "name": "n", "uri": "https://x.org"}]}, False, "[n: https://x.org]"),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "t"}}]}, False, "[a:b]\nt"),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "AAAA"}}]}, False, "no text"),
        ({"content": "text"}, True, "calc_echo"),
        ({"content": [{"type": "surprise"}]}, True, "calc_echo"),
        ({"content": [{"type": "text", "text": "x" * 5_000_000}]}, True, "calc_echo"),
        (Told(b"gone", 500), True, "calc_echo"),
    ],
)
async def test_an_answer_is_read_as_what_it_is(answer: Any, is_error: bool, words: str) -> None:  # noqa: FBT001 - a table
    async with site_of({"/mcp": Scripted([ECHO], lambda _: answer)}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, timeout_seconds=60)])
        result = await call(tools, "calc_echo")

    assert (result.is_error, words in str(result.content)) == (is_error, True), result


async def test_an_answer_is_not_judged_by_a_schema_that_its_server_made_to_hang() -> None:
    output = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(x+x+)+y$"}}}
    answer: dict[str, Any] = {"content": [], "structuredContent": {"a": "x" * 60}}
    tool = {**ECHO, "outputSchema": output}
    async with site_of({"/mcp": Scripted([tool], lambda _: answer)}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site)])
        async with asyncio.timeout(60):
            assert await call(tools, "calc_echo") == ToolResult({"a": "x" * 60})


async def test_a_secret_that_a_server_sends_back_is_taken_out() -> None:
    def reply(asked: Asked) -> Told:
        sent = asked.headers.get("authorization", "")
        echo = Scripted([ECHO], lambda _: {"content": [{"type": "text", "text": f"You sent {sent}."}]})
        return echo(asked)

    async with site_of({"/mcp": reply}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, bearer_token={"secret": "key"})])
        result = await call(tools, "calc_echo")

    assert result.content == "You sent Bearer [secret]."


async def test_a_server_cannot_make_the_client_ask_its_model_or_its_user() -> None:
    def answer(_: dict[str, Any]) -> Told:
        ask: dict[str, Any] = {"id": 7, "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}
        done: dict[str, Any] = {"id": 3, "result": {"content": [{"type": "text", "text": "done"}]}}
        events = "".join(f"data: {json.dumps({'jsonrpc': '2.0', **message})}\n\n" for message in (ask, done))
        return Told(events.encode(), headers={"Content-Type": "text/event-stream"})

    async with site_of({"/mcp": Scripted([ECHO], answer)}) as site, connected(site.at()) as rig:
        tools = await rig.tools(mcp_servers=[server_at(site, timeout_seconds=60)])
        result = await call(tools, "calc_echo")

    answered = [one.json for one in site.asked if one.method == "POST" and one.json.get("id") == 7]
    assert result.content == "done"
    assert [set(one) & {"result", "error"} for one in answered] in ([], [{"error"}])


def test_the_package_is_not_imported_before_a_definition_names_a_server() -> None:
    program = (
        "import sys\n"
        "import shared.composition.engine, shared.adapters.mcp_servers.clients\n"
        "print([name for name in ('mcp', 'mcp_types', 'trafilatura', 'lxml') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"
