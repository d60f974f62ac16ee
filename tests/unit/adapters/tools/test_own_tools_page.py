"""The examples of docs/tools.md are executed: against a site, and against an MCP server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.adapters.mcp_servers.clients import MAX_ANSWER_BYTES as MAX_MCP_BYTES
from shared.adapters.mcp_servers.clients import McpClients
from shared.adapters.mcp_servers.offers import MAX_DESCRIPTION, MAX_TOOLS
from shared.adapters.mcp_servers.results import MAX_TEXT
from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_warnings import warnings_of
from shared.domain.definitions import AgentDefinition
from shared.domain.redaction import Redactor
from shared.domain.secrets import SecretText
from shared.domain.tool_definitions import MAX_ANSWER_BYTES, MAX_TOOL_SECONDS
from shared.domain.tools import Effect, ToolCall, ToolResult
from tests.support.http_sites import Asked, Told, site_of
from tests.support.mcp_sites import calculator, mcp_site
from tests.support.tool_rig import ToolRig

pytestmark = pytest.mark.loopback

PAGE = (Path(__file__).parents[4] / "docs" / "tools.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"(?s)```yaml\n(.*?)```", PAGE)
SENT = [line.split(" -> ", 1) for block in re.findall(r"(?s)```text\n(.*?)```", PAGE) for line in block.splitlines()]
KEY, WEATHER = "key-of-the-hotel", "token-of-the-weather"


def example(name: str) -> dict[str, Any]:
    (found,) = (one for one in map(yaml.safe_load, EXAMPLES) if one["name"] == name)
    return found


def described(asked: Asked) -> str:
    """A request as the page shows it."""
    target = Redactor([SecretText(KEY)]).text(asked.target)
    body = f" {json.dumps(asked.json)}" if asked.body else ""
    return f"{asked.method} {target}{body}"


def here(raw: dict[str, Any], origin: str) -> dict[str, Any]:
    """The example with its hosts replaced by one of this machine."""
    moved: dict[str, Any] = json.loads(re.sub(r"https://(api|mcp)\.example\.com", origin, json.dumps(raw)))
    return moved


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: yaml.safe_load(text)["name"])
def test_an_example_is_a_definition_without_a_fault(text: str) -> None:
    raw = yaml.safe_load(text)

    assert inspect_definition(raw)[1] == ()
    assert warnings_of(raw) == ()


def test_the_page_has_examples() -> None:
    assert (len(EXAMPLES), len(SENT)) == (2, 9)


@pytest.mark.parametrize(("call", "expected"), SENT, ids=[call for call, _ in SENT])
async def test_a_call_sends_what_the_page_says(call: str, expected: str) -> None:
    name, _, arguments = call.partition(" ")
    async with site_of({"*": Told.of_json({"forecast": ["sunny"]})}) as site:
        rig = ToolRig(site.at())
        await rig.store("hotel", KEY)
        await rig.store("weather", WEATHER)
        tools = await rig.tools(**here(example("concierge"), site.url("").removesuffix("/")))
        result = await tools[name].call(ToolCall(0, "call", name, json.loads(arguments)))

    if expected.startswith("nothing: "):
        assert (result.is_error, result.content) == (True, expected.removeprefix("nothing: "))
        assert site.asked == []
    else:
        assert [described(asked) for asked in site.asked] == [expected]
        assert not result.is_error
    if name == "weather" and site.asked:
        assert site.asked[0].headers["authorization"] == f"Bearer {WEATHER}"
        assert result == ToolResult("sunny")


async def test_the_tools_of_the_examples_have_the_effects_and_approvals_that_the_page_says() -> None:
    rig = ToolRig()
    tools = await rig.tools(**example("concierge"))

    assert {name: (tool.spec.effect, tool.requires_approval) for name, tool in tools.items()} == {
        "weather": (Effect.NONE, False),
        "notes": (Effect.NONE, False),
        "book": (Effect.ONCE, True),
    }


async def test_the_server_of_the_example_has_the_tools_that_the_page_says() -> None:
    async with mcp_site(calculator()) as site:
        rig = ToolRig(site.at)
        clients = McpClients(rig.web.open)
        rig = ToolRig(site.at, mcp=clients)
        await rig.store("calc", "token-of-the-server")
        tools = await rig.tools(**here(example("accountant"), site.url.removesuffix("/mcp")))
        result = await tools["my_add"].call(ToolCall(0, "call", "my_add", {"a": 1, "b": 2}))
        await clients.aclose()

    assert result == ToolResult({"result": 3.0})
    assert {name: (tool.spec.effect, tool.requires_approval) for name, tool in tools.items()} == {
        "my_add": (Effect.NONE, False),
        "my_store": (Effect.IDEMPOTENT, True),
    }
    assert all(headers["authorization"] == "Bearer token-of-the-server" for headers in site.headers)


@pytest.mark.parametrize("bound", [MAX_ANSWER_BYTES, MAX_TEXT, MAX_DESCRIPTION, MAX_TOOLS, int(MAX_TOOL_SECONDS)])
def test_the_page_states_each_bound(bound: int) -> None:
    assert f"{bound:,}" in PAGE
    assert f"{MAX_MCP_BYTES >> 20} MiB" in PAGE


def test_the_page_states_how_many_tools_a_definition_may_bring() -> None:
    fields = AgentDefinition.model_json_schema()["properties"]

    assert f"{fields['http_tools']['maxItems']} HTTP tools, {fields['mcp_servers']['maxItems']} MCP servers" in PAGE
