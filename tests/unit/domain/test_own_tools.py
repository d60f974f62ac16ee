"""The tools that a definition brings: what is right, what is wrong, and where."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_warnings import warnings_of
from shared.domain.definitions import AgentDefinition
from shared.domain.ids import NodeId
from shared.domain.planning import compile_plan
from shared.domain.plans import AgentWork, ToolWork
from shared.domain.secrets import secrets_in
from shared.domain.tool_definitions import McpServer, ToolUse
from shared.domain.tools import Effect

WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "The weather of a city.",
    "url": "https://api.example.com/v1/cities/{city}/weather?format=json",
    "arguments": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
        "required": ["city"],
    },
    "query": {"days": "{days}", "key": {"secret": "weather_key"}},
    "headers": {"X-Plan": "free", "X-Api-Key": {"secret": "weather_key"}},
    "bearer_token": {"secret": "weather_token"},
    "response_path": "forecast.0",
}
CALC: dict[str, Any] = {"name": "calc", "url": "https://mcp.example.com/mcp", "tools": ["add", {"name": "getSum"}]}
BOTH: dict[str, Any] = {
    "name": "helper",
    "model": "local:extractive",
    "tools": ["file_read", {"name": "weather", "requires_approval": True}, "calc"],
    "http_tools": [WEATHER],
    "mcp_servers": [CALC],
}
GRAPH: dict[str, Any] = {
    "name": "graph",
    "type": "graph",
    "model": "local:extractive",
    "http_tools": [WEATHER],
    "mcp_servers": [CALC],
    "graph": {
        "nodes": {
            "look": {"kind": "tool", "tool": "weather", "arguments": {"city": "{{ input.text }}", "days": 3}},
            "sum": {"kind": "tool", "tool": "calc_getsum", "arguments": {"whatever": 1}},
            "tell": {"kind": "agent", "prompt": "{{ look.output }}", "tools": ["calc"]},
        }
    },
}


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(base)
    here: Any = result
    *steps, last = path.split(".")
    for step in steps:
        here = here[int(step) if step.isdecimal() else step]
    here[last] = value
    return result


@pytest.mark.parametrize("raw", [BOTH, GRAPH])
def test_a_definition_may_bring_tools_of_its_own(raw: dict[str, Any]) -> None:
    definition, faults = inspect_definition(raw)

    assert faults == ()
    assert definition is not None
    assert warnings_of(raw) == ()
    assert secrets_in(definition.model_dump(mode="json")) == {"weather_key", "weather_token"}


@pytest.mark.parametrize(
    ("path", "value", "where", "words"),
    [
        ("tools", ["wether"], "tools.0", "no tool 'wether'"),
        ("tools", ["weather", "weather"], "tools.1", "listed twice"),
        ("tools", [{"name": "weather", "config": {"a": 1}}], "tools.0.config", "no configuration"),
        ("http_tools.0.name", "grep", "http_tools.0.name", "a built-in tool"),
        ("http_tools.0.name", "calc", "mcp_servers.0.name", "another tool"),
        ("http_tools.0.name", "ask_reviewer", "http_tools.0.name", "sub-agents"),
        ("http_tools.0.name", "ask_human", "http_tools.0.name", "a built-in tool"),
        (
            "mcp_servers",
            [{**CALC, "prefix": "", "tools": ["grep"]}],
            "mcp_servers.0.tools.0",
            "'grep', the name of a bu",
        ),
        ("mcp_servers", [{**CALC, "prefix": "", "tools": ["ask_human"]}], "mcp_servers.0.tools.0", "a built-in tool"),
        ("mcp_servers", [{**CALC, "prefix": "", "tools": ["Weather"]}], "mcp_servers.0.tools.0", "of another tool"),
        ("mcp_servers", [{**CALC, "prefix": "ask"}], "mcp_servers.0.tools.0", "'ask_add', as sub-agents are called"),
        ("mcp_servers", [{**CALC, "prefix": "ask", "tools": None}], "mcp_servers.0.prefix", "names of sub-agents"),
        ("mcp_servers", [{"name": "ask", "url": CALC["url"]}], "mcp_servers.0.name", "names of sub-agents"),
        ("http_tools.0.method", "BREW", "http_tools.0.method", "one of GET"),
        ("http_tools.0.url", "ftp://x.org/{city}", "http_tools.0.url", "must begin with"),
        ("http_tools.0.url", "https://{city}.example.com/", "http_tools.0.url", "must name its host"),
        ("http_tools.0.url", "https://api.example.com{city}", "http_tools.0.url", "must name its host"),
        ("http_tools.0.url", "https://api.example.com/?q={city}", "http_tools.0.url", "in its path only"),
        ("http_tools.0.url", "https://api.example.com/{city}#a", "http_tools.0.url", "in its path only"),
        ("http_tools.0.url", "https://api.example.com/{ city }", "http_tools.0.url", "a character"),
        ("http_tools.0.url", "https://api.example.com/{city/x", "http_tools.0.url", "braces that are no argument"),
        ("http_tools.0.url", "https://api.example.com/{town}", "http_tools.0", "{town} is none of its arguments"),
        ("http_tools.0.url", "https://api.example.com/{days}", "http_tools.0.arguments.required", "must list 'days'"),
        ("http_tools.0.url", "https://me:pw@api.example.com/", "http_tools.0.url", "user name"),
        ("http_tools.0.url", "http://169.254.169.254/{city}", "http_tools.0.url", "metadata"),
        ("http_tools.0.url", "http://[::ffff:7f00:1]/{city}", "http_tools.0.url", "may not be reached"),
        ("http_tools.0.url", "http://2130706433/{city}", "http_tools.0.url", "a number"),
        ("http_tools.0.url", "http://localhost.evil.com:22/", "http_tools.0.url", "Port 22"),
        ("http_tools.0.query", {"q": "{nothing}"}, "http_tools.0", "{nothing} is none of its arguments"),
        ("http_tools.0.body", {"a": 1}, "http_tools.0.body", "does not go with GET"),
        ("http_tools.0.headers", {"Host": "x"}, "http_tools.0.headers.Host", "sets itself"),
        ("http_tools.0.headers", {"Proxy-Authorization": "x"}, "http_tools.0.headers", "sets itself"),
        ("http_tools.0.headers", {"A": "x", "a": "y"}, "http_tools.0.headers.a", "given twice"),
        ("http_tools.0.headers", {"X": "a\r\nb"}, "http_tools.0.headers.X", ""),
        ("http_tools.0.headers", {"X y": "a"}, "http_tools.0.headers", ""),
        ("http_tools.0.headers", {"X": {"secret": "no name"}}, "http_tools.0.headers.X", ""),
        ("http_tools.0.arguments", {"type": "array"}, "http_tools.0.arguments.type", "must be object"),
        ("http_tools.0.arguments", {"type": "object", "patern": "x"}, "http_tools.0.arguments.patern", "not a keyword"),
        (
            "http_tools.0.arguments.properties",
            {"city": {"$ref": "http://169.254.169.254/"}},
            "http_tools.0.arguments.properties.city.$ref",
            "$defs",
        ),
        (
            "http_tools.0.arguments.properties",
            {"city": {}, "the-days": {}},
            "http_tools.0.arguments.properties.the-days",
            "letters",
        ),
        ("http_tools.0.max_response_bytes", 10**9, "http_tools.0.max_response_bytes", "less than or equal"),
        ("http_tools.0.timeout_seconds", 0, "http_tools.0.timeout_seconds", "greater than 0"),
        ("http_tools.0.efect", "none", "http_tools.0.efect", "not a known key"),
        ("mcp_servers.0.url", "http://10.0.0.1/mcp", "mcp_servers.0.url", "private"),
        (
            "mcp_servers.0.tools",
            ["get-sum", "get.sum", "GET sum", "GET-SUM"],
            "mcp_servers.0.tools.2",
            "like 'get.sum'",
        ),
        ("mcp_servers.0.headers", {"Mcp-Session-Id": "x"}, "mcp_servers.0.headers.Mcp-Session-Id", "sets itself"),
        ("mcp_servers.0.prefix", "Calc", "mcp_servers.0.prefix", "lower-case"),
    ],
)
def test_a_fault_of_an_own_tool_is_found_where_it_is(path: str, value: Any, where: str, words: str) -> None:
    _, faults = inspect_definition(changed(BOTH, path, value))

    assert [fault for fault in faults if fault.path.startswith(where) and words in fault.reason], faults


@pytest.mark.parametrize(
    ("path", "value", "where", "words"),
    [
        ("graph.nodes.look.tool", "weathr", "graph.nodes.look.tool", "no tool 'weathr'"),
        ("graph.nodes.look.arguments", {"days": 3}, "graph.nodes.look.arguments.city", "is missing"),
        ("graph.nodes.look.arguments", {"city": "x", "days": 9}, "graph.nodes.look.arguments.days", "at most 7"),
        ("graph.nodes.look.config", {"a": 1}, "graph.nodes.look.config", "no configuration"),
        ("graph.nodes.sum.tool", "calc_divide", "graph.nodes.sum.tool", "no tool 'calc_divide'"),
        ("graph.nodes.sum.tool", "calc", "graph.nodes.sum.tool", "no tool 'calc'"),
        ("graph.nodes.tell.tools", ["weathre"], "graph.nodes.tell.tools.0", "no tool 'weathre'"),
    ],
)
def test_a_node_calls_own_tools_as_they_are(path: str, value: Any, where: str, words: str) -> None:
    _, faults = inspect_definition(changed(GRAPH, path, value))

    assert [(fault.path, words in fault.reason) for fault in faults] == [(where, True)]


def test_an_argument_that_is_known_only_in_the_run_is_not_judged_before() -> None:
    raw = changed(GRAPH, "graph.nodes.look.arguments", {"city": "{{ input.text }}", "days": "{{ input.days }}"})

    assert inspect_definition(raw)[1] == ()


def test_a_developer_may_write_addresses_of_the_own_machine() -> None:
    for url in ("http://127.0.0.1:9000/{city}", "http://localhost:9000/{city}", "http://[::1]:9000/{city}"):
        assert inspect_definition(changed(BOTH, "http_tools.0.url", url))[1] == ()


def test_a_tool_that_nothing_uses_is_mentioned() -> None:
    idle = warnings_of(changed(BOTH, "tools", []))

    assert [(one.path, "used by nothing" in one.reason) for one in idle] == [
        ("http_tools.0", True),
        ("mcp_servers.0", True),
    ]


@pytest.mark.parametrize(
    ("method", "declared", "effect"),
    [
        ("GET", None, Effect.NONE),
        ("PUT", None, Effect.IDEMPOTENT),
        ("DELETE", None, Effect.IDEMPOTENT),
        ("POST", None, Effect.ONCE),
        ("PATCH", None, Effect.ONCE),
        ("POST", "none", Effect.NONE),
        ("GET", "once", Effect.ONCE),
    ],
)
def test_what_a_repeated_request_does_follows_from_its_method_unless_it_is_declared(
    method: str, declared: str | None, effect: Effect
) -> None:
    definition = AgentDefinition.model_validate(
        changed(changed(BOTH, "http_tools.0.method", method), "http_tools.0.effect", declared)
    )

    assert definition.http_tools[0].effective_effect is effect


@pytest.mark.parametrize(
    ("server", "tool", "name"),
    [
        ({}, "add", "calc_add"),
        ({}, "getSum", "calc_getsum"),
        ({}, "a/b.c d", "calc_a_b_c_d"),
        ({}, "数", "calc_"),
        ({}, "x" * 128, "calc_" + "x" * 59),
        ({"prefix": ""}, "add", "add"),
        ({"prefix": ""}, "1st", "t_1st"),
        ({"prefix": "my"}, "add", "my_add"),
    ],
)
def test_a_tool_of_a_server_gets_a_name_that_every_model_takes(server: dict[str, str], tool: str, name: str) -> None:
    found = McpServer.model_validate({"name": "calc", "url": "https://x.org", **server})

    assert found.offered_name(tool) == name
    assert ToolUse.model_validate(name).name == name
    assert found.may_offer(name)


def test_a_node_gets_only_the_definitions_that_it_needs() -> None:
    plan = compile_plan(AgentDefinition.model_validate(GRAPH))
    works = {node.id: node.work for node in plan.nodes}
    look, total, tell = (works[NodeId(name)] for name in ("look", "sum", "tell"))

    assert isinstance(look, ToolWork)
    assert isinstance(total, ToolWork)
    assert isinstance(tell, AgentWork)
    own = plan.nodes[0]
    kits = [plan.kit_of(own, look), plan.kit_of(own, total), plan.kit(own, tell.agent.tools)]
    assert [([http.name for http in kit.http_tools], [one.name for one in kit.mcp_servers]) for kit in kits] == [
        (["weather"], []),
        ([], ["calc"]),
        ([], ["calc"]),
    ]
    assert type(plan).model_validate_json(plan.model_dump_json(exclude_defaults=True, exclude_none=True)) == plan


@pytest.mark.parametrize(
    ("tools", "node"),
    [([], {"requires_approval": True}), ([{"name": "calc", "requires_approval": True}], {})],
)
def test_a_node_waits_for_a_yes_before_a_servers_tool(tools: list[Any], node: dict[str, Any]) -> None:
    nodes = {"sum": {**GRAPH["graph"]["nodes"]["sum"], **node}, "look": GRAPH["graph"]["nodes"]["look"]}
    plan = compile_plan(AgentDefinition.model_validate({**GRAPH, "tools": tools, "graph": {"nodes": nodes}}))
    works = {node.id: node.work for node in plan.nodes}
    total, look = works[NodeId("sum")], works[NodeId("look")]
    assert isinstance(total, ToolWork)
    assert isinstance(look, ToolWork)
    assert [(use.name, use.requires_approval) for use in plan.kit_of(plan.nodes[0], total).tools] == [("calc", True)]
    assert [(use.name, use.requires_approval) for use in plan.kit_of(plan.nodes[0], look).tools] == [("weather", False)]


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.sampled_from(["{city}", "https://x.org/{"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    key=st.sampled_from(["http_tools.0." + name for name in WEATHER] + ["mcp_servers.0." + name for name in CALC]),
    value=VALUES,
)
def test_whatever_is_written_of_an_own_tool_is_judged_and_never_a_crash(key: str, value: Any) -> None:
    definition, faults = inspect_definition(changed(BOTH, key, value))

    assert (definition is None) == bool(faults)
    assert isinstance(warnings_of(changed(BOTH, key, value)), tuple)
