"""Values of a graph that are of another type than what takes them: seen before it runs, where it is known."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_schemas import value_faults
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import InvalidArgument
from shared.domain.graph_analysis import kept_faults
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId, Uid
from shared.domain.kept_agents import KeptAgent
from shared.domain.run_inputs import hand_over
from shared.domain.template_types import Fit
from shared.domain.templates import render_template
from shared.domain.tool_specs import BUILT_IN, argument_faults

SAY: dict[str, Any] = {"kind": "agent", "prompt": "Hm."}
FETCH: dict[str, Any] = {
    "name": "fetch",
    "description": "Gets a page.",
    "url": "https://example.com/{page}",
    "arguments": {
        "type": "object",
        "properties": {
            "page": {"type": "integer"},
            "share": {"type": "number"},
            "filter": {
                "type": "object",
                "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
                "required": ["tags"],
                "additionalProperties": False,
            },
        },
        "required": ["page"],
        "additionalProperties": False,
    },
}
INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "n": {"type": "integer"},
        "x": {"type": "number"},
        "yes": {"type": "boolean"},
        "words": {"type": "array", "items": {"type": "string"}},
        "counts": {"type": "array", "items": {"type": "integer"}},
        "pair": {"type": "array", "prefixItems": [{"type": "object"}], "items": {"type": "string"}},
        "maybe": {"type": ["array", "null"]},
        "either": {"type": ["integer", "boolean"]},
        "filter": {"type": "object", "properties": {"tags": {"type": "string"}}},
        "bare": {"type": "object", "properties": {}, "additionalProperties": False},
        "open": {"type": "object"},
        "none": {"type": "null"},
    },
}
FILTER = "{{ input.filter }}"


def told(nodes: dict[str, Any], **more: Any) -> list[tuple[str, str, str | None]]:
    raw = {"name": "agent", "model": "local:extractive", "type": "graph", "http_tools": [FETCH], "input_schema": INPUT}
    _, faults = inspect_definition({**raw, "graph": {"nodes": nodes}, **more})
    return [(one.path.removeprefix("graph.nodes."), one.reason, one.suggestion) for one in faults]


def calling(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": tool, "arguments": arguments}


@pytest.mark.parametrize(
    ("node", "path", "reason", "advice"),
    [
        (
            calling("calculator", expression="{{ all.output }}"),
            "expression",
            "must be text, and {{ all.output }} is a list",
            "one of its items: {{ all.output[0] }}; or a map, which does something with each",
        ),
        (
            calling("calculator", expression="{{ input.n }}"),
            "expression",
            "must be text, and {{ input.n }} is a whole number",
            "text that it becomes a part of: 'it is {{ input.n }}'",
        ),
        (
            calling("calculator", expression="{{ input.either }}"),
            "expression",
            "must be text, and {{ input.either }} is a whole number or true or false",
            "text that it becomes a part of: 'it is {{ input.either }}'",
        ),
        (
            calling("calculator", expression="{{ size.output }}"),
            "expression",
            "must be text, and {{ size.output }} is a map",
            "the part of it that is text: {{ size.output.case }}",
        ),
        (
            calling("file_read", path="a", start_line="{{ input.words }}"),
            "start_line",
            "must be a whole number or null, and {{ input.words }} is a list",
            "one of its items: {{ input.words[0] }}; or a map, which does something with each",
        ),
        (
            calling("set_state", values="{{ say.output }}"),
            "values",
            "must be a map, and {{ say.output }} is text",
            'a map with it: {name: "{{ say.output }}"}',
        ),
        (
            calling("ask_human", question="Which?", choices="{{ say.output }}"),
            "choices",
            "must be a list or null, and {{ say.output }} is text",
            'a list of it: ["{{ say.output }}"]',
        ),
        (
            calling("fetch", page="{{ say.output }}"),
            "page",
            "must be a whole number, and {{ say.output }} is text",
            "refer to a whole number",
        ),
        (
            calling("fetch", page="No. {{ input.n }}"),
            "page",
            "must be a whole number, and this is text",
            "put a whole number here",
        ),
        (calling("fetch", page=1, pgae="{{ say.output }}"), "pgae", "is not an argument", "page"),
        (
            calling("fetch", page=1, filter={"tags": ["{{ say.output }}", "{{ input.n }}"]}),
            "filter.tags.1",
            "must be text, and {{ input.n }} is a whole number",
            "text that it becomes a part of: 'it is {{ input.n }}'",
        ),
        (
            calling("fetch", page=1, filter={"tags": "{{ input.counts }}"}),
            "filter.tags",
            "must be text, and {{ input.counts[0] }} is a whole number",
            "text that it becomes a part of: 'it is {{ input.counts[0] }}'",
        ),
        (
            calling("fetch", page=1, filter={"tag": "{{ say.output }}"}),
            "filter.tags",
            "is missing: it must be a list",
            None,
        ),
        (
            calling("fetch", page=1, filter=FILTER),
            "filter",
            "must be a list, and {{ input.filter.tags }} is text",
            'a list of it: ["{{ input.filter.tags }}"]',
        ),
        (
            calling("fetch", page=1, filter="{{ size.output }}"),
            "filter",
            "{{ size.output }} has 'case', which is not a known key here",
            None,
        ),
        (
            calling("fetch", page=1, filter="{{ input.bare }}"),
            "filter",
            "'tags' must be a list, and {{ input.bare }} has none",
            "a map with 'tags' in place of {{ input.bare }}",
        ),
    ],
)
def test_an_argument_of_another_type_is_found(node: dict[str, Any], path: str, reason: str, advice: str | None) -> None:
    around = {
        "say": SAY,
        "size": {"kind": "branch", "cases": {"small": "true"}},
        "all": {"kind": "join", "after": ["say"]},
    }
    for place, one in (("x", node), ("x.fallback", {**SAY, "fallback": node})):
        assert (f"{place}.arguments.{path}", reason, advice) in told({**around, "x": one})
    body = {"kind": "map", "over": "{{ input.words }}", "body": node}
    assert (f"x.body.arguments.{path}", reason, advice) in told({**around, "x": body})


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ("{{ say.output }}", "must be a list, and {{ say.output }} is text"),
        ("{{ input.either }}", "must be a list, and {{ input.either }} is a whole number or true or false"),
        ("{{ input.maybe }}", None),
        ("{{ input.open.list }}", None),
        ("{{ input.pair }}", None),
    ],
)
def test_what_a_map_goes_over_must_be_a_list_where_it_is_known(over: str, reason: str | None) -> None:
    found = told({"say": SAY, "x": {"kind": "map", "over": over, "body": SAY}})
    assert [(path, why) for path, why, _ in found] == ([] if reason is None else [("x.over", reason)])


def test_all_that_does_not_fit_is_told_at_once() -> None:
    wrong = calling("fetch", page="{{ input.words }}", share="{{ input.yes }}", filter="{{ input.n }}")
    assert [path for path, _, _ in told({"a": wrong, "b": calling("grep", pattern="{{ input.n }}")})] == [
        "a.arguments.page",
        "a.arguments.share",
        "a.arguments.filter",
        "b.arguments.pattern",
    ]


@pytest.mark.parametrize(
    "node",
    [
        calling("calculator", expression="{{ say.output }}"),
        calling("calculator", expression="({{ input.n }}) + 1"),
        calling("calculator", expression="{{ calc.output.result }}"),
        calling("calculator", expression="{{ input.pair[1] }}"),
        calling("fetch", page="{{ input.pair[0].number }}"),
        calling("file_read", path="a", start_line="{{ say.output }}", end_line="{{ input.none }}"),
        calling("file_edit", path="a", old_text="b", new_text="c", replace_all="{{ input.n }}"),
        calling("set_state", values={"a": "{{ input.n }}", "b": ["{{ input.words }}"]}),
        calling("fetch", page="{{ input.x }}", share="{{ input.n }}"),
        calling("fetch", page=1, filter={"tags": "{{ input.words }}"}),
        calling("fetch", page=1, filter={"tags": ["{{ say.output }}", "and {{ input.n }}"]}),
        calling("fetch", page=1, filter="{{ input.open }}"),
        {"kind": "agent", "prompt": "{{ input.words }} {{ input.n }}"},
    ],
)
def test_what_fits_or_may_fit_is_no_fault(node: dict[str, Any]) -> None:
    assert told({"say": SAY, "calc": calling("calculator", expression="1"), "x": node}) == []


def test_a_schema_may_let_templates_refer_to_more_than_it_names() -> None:
    node = {"kind": "agent", "prompt": "{{ input.other }}"}
    assert told({"x": node}, input_schema={**INPUT, "additionalProperties": True}) == []
    assert [path for path, _, _ in told({"x": node})] == ["x.prompt"]


NONE_AT_ALL: list[Any] = [{"type": "object", "properties": []}, {"properties": {"n": {"type": [{}]}}}, 3, []]


@pytest.mark.parametrize("schema", NONE_AT_ALL)
def test_a_schema_that_is_none_is_told_of_and_types_nothing(schema: Any) -> None:
    nodes = {"x": calling("calculator", expression="{{ input.n }}"), "y": calling("fetch", page="{{ input.n }}")}
    faults = told(nodes, input_schema=schema, http_tools=[{**FETCH, "arguments": schema}])
    assert faults
    assert all(path.startswith(("input_schema", "http_tools")) for path, _, _ in faults)


# What is told before a run is what would be told in it.

SAMPLES: dict[str, list[Any]] = {
    "string": ["", "10", "true", "text", "a b"],
    "integer": [0, 1, 10, -3],
    "number": [0.0, 1.0, 2.5],
    "boolean": [True, False],
    "null": [None],
    "array": [[], ["a"], [1], [{}]],
    "object": [{}, {"a": 1}],
}


@pytest.mark.parametrize("tool", BUILT_IN)
def test_what_is_refused_of_a_built_in_tool_would_be_refused_in_the_run(tool: str) -> None:
    refused = 0
    for name in BUILT_IN[tool].arguments_schema.get("properties", {}):
        for kind, values in SAMPLES.items():
            schema = {"type": "object", "properties": {"value": {"type": kind}}}
            told_of = [
                path for path, _, _ in told({"x": calling(tool, **{name: "{{ input.value }}"})}, input_schema=schema)
            ]
            if f"x.arguments.{name}" in told_of:
                refused += 1
                for value in values:
                    paths = [fault.path.partition(".")[0] for fault in argument_faults(tool, {name: value})]
                    assert name in paths, (name, kind, value)
    assert refused >= 3, "of any argument some types are never right"


@pytest.mark.parametrize("wanted", SAMPLES)
@pytest.mark.parametrize("given", SAMPLES)
def test_what_is_refused_by_a_schema_is_what_never_fits_it(wanted: str, given: str) -> None:
    scope = {"value": {"type": given}}
    refused = any(Fit(scope).faults("x", "{{ value }}", {"type": wanted}))
    fits = [not value_faults("x", {"type": wanted}, value) for value in SAMPLES[given]]
    assert refused == (not any(fits)), fits


# Kept agents.


def kept(raw: dict[str, Any], name: str = "sounder") -> dict[AgentReference, KeptAgent]:
    definition = AgentDefinition.model_validate({"name": name, "model": "local:extractive", **raw})
    found = KeptAgent(AgentId(name), 1, Uid("ann"), definition)
    return dict.fromkeys((AgentReference(id=name),), found)


def asking(given: Any = None) -> dict[str, Any]:
    return {"kind": "agent", "agent": {"id": "sounder"}, **({} if given is None else {"input": given})}


def unfit(nodes: dict[str, Any], *agents: dict[str, Any]) -> list[tuple[str, str]]:
    raw = {"name": "agent", "model": "local:extractive", "type": "graph", "input_schema": INPUT}
    definition, faults = inspect_definition({**raw, "graph": {"nodes": nodes}})
    assert definition is not None, faults
    found: dict[AgentReference, KeptAgent] = {}
    for number, agent in enumerate(agents):
        found |= kept(agent, ("sounder", "inner")[number])
    return [(one.path.removeprefix("graph.nodes."), one.reason) for one in kept_faults(definition, found)]


TAKES: dict[str, Any] = {
    "prompt": "{{ input.metal }}",
    "input_schema": {
        "type": "object",
        "properties": {
            "metal": {"type": "string"},
            "times": {"type": "integer"},
            "how": {"type": "string", "default": "gently"},
        },
        "required": ["metal", "how"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"metal": "{{ input.words }}"}, [("x.input.metal", "must be text, and {{ input.words }} is a list")]),
        ({"times": "{{ input.n }}"}, [("x.input.metal", "is missing: it must be text")]),
        ({"metal": "iron", "times": "twice"}, [("x.input.times", "must be a whole number, and this is text")]),
        ({"metal": "iron", "time": 2}, [("x.input.time", "is not a known key here")]),
        (
            "{{ say.output }}",
            [("x.input.metal", "is missing: it must be text"), ("x.input.text", "is not a known key here")],
        ),
        ("{{ input.words }}", [("x.input", "must be text or a map, and {{ input.words }} is a list")]),
        (["{{ say.output }}"], [("x.input", "must be text or a map, and this is a list")]),
        (
            "{{ input.bare }}",
            [("x.input", "'metal' must be text, and {{ input.bare }} has none")],
        ),
        ({"metal": "iron"}, []),
        ({"metal": "{{ say.output }}", "times": "{{ input.x }}"}, []),
        ("{{ input.open }}", []),
        ("{{ input.maybe }}", [("x.input", "must be text or a map, and {{ input.maybe }} is a list or null")]),
        (None, []),
    ],
)
def test_what_a_kept_agent_is_given_is_held_against_its_schema(given: Any, faults: list[tuple[str, str]]) -> None:
    nodes = {"say": SAY, "x": asking(given)}
    assert unfit(nodes, TAKES) == faults
    if given is not None:  # and a run with such values says the same
        values: dict[str, Any] = {"words": [], "n": 1, "x": 2.0, "bare": {}, "maybe": None, "open": {"metal": "iron"}}
        scope: dict[str, Any] = {"say": {"output": "a"}, "input": values}
        if faults:
            with pytest.raises(InvalidArgument):
                hand_over(TAKES["input_schema"], render_template(given, scope))
        else:
            assert hand_over(TAKES["input_schema"], render_template(given, scope))["metal"]


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        (
            {"topic": "x"},
            [("x.input", "is read by the agent's prompt as {{ input.text }}, and 'input' has no 'text'")],
        ),
        ("{{ say.output }}", []),
        (None, []),
        ("{{ input.open }}", []),
    ],
)
def test_what_a_kept_agents_prompt_reads_must_be_given(given: Any, faults: list[tuple[str, str]]) -> None:
    assert unfit({"say": SAY, "x": asking(given)}, {"prompt": "{{ input.text }}"}) == faults


GIVES: dict[str, Any] = {
    "output_schema": {
        "type": "object",
        "properties": {"sound": {"type": "string"}, "hz": {"type": "array", "items": {"type": "number"}}},
        "additionalProperties": False,
    }
}
GRAPH: dict[str, Any] = {"type": "graph", "graph": {"nodes": {"a": SAY, "b": calling("calculator", expression="1")}}}


@pytest.mark.parametrize(
    ("agent", "node", "faults"),
    [
        (GIVES, {"prompt": "{{ x.output.sond }}"}, [("y.prompt", "'x.output' has no 'sond'; did you mean 'sound'?")]),
        (GIVES, {"prompt": "{{ x.output.sound.loud }}"}, [("y.prompt", "'x.output.sound' is text, and has no 'loud'")]),
        (GIVES, {"prompt": "{{ x.output.sound }} {{ x.output.hz[0] }}"}, []),
        ({}, {"prompt": "{{ x.output.sound }}"}, [("y.prompt", "'x.output' is text, and has no 'sound'")]),
        (GRAPH, {"prompt": "{{ x.output.c }}"}, [("y.prompt", "'x.output' has no 'c'")]),
        (GRAPH, {"prompt": "{{ x.output.a }} {{ x.output.b.result }}"}, []),
        (
            GIVES,
            {"kind": "map", "over": "{{ x.output.sound }}", "body": SAY},
            [("y.over", "must be a list, and {{ x.output.sound }} is text")],
        ),
        (
            GIVES,
            calling("calculator", expression="{{ x.output.hz[0] }}"),
            [("y.arguments.expression", "must be text, and {{ x.output.hz[0] }} is a number")],
        ),
        (
            {"type": "graph", "graph": {"nodes": {"only": {"kind": "agent", "agent": {"id": "inner"}}}}},
            {"prompt": "{{ x.output.sond }}"},
            [("y.prompt", "'x.output' has no 'sond'; did you mean 'sound'?")],
        ),
        (
            GIVES,
            {"kind": "branch", "cases": {"a": "x.output.sond == ''"}},
            [("y.cases.a", "'x.output' has no 'sond'; did you mean 'sound'?")],
        ),
    ],
)
def test_what_a_kept_agent_gives_is_known_by_its_schema_or_its_graph(
    agent: dict[str, Any], node: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    nodes = {"x": asking(), "y": {"kind": "agent", **node}}
    assert unfit(nodes, agent, GIVES) == faults
    assert unfit(nodes) == [], "of an agent that is not found nothing is known"


@pytest.mark.parametrize(
    ("ends", "faults"),
    [
        ({"say": SAY}, [("output_schema", "must be a map, and {{ say.output }} is text")]),
        (
            {"all": {"kind": "join", "after": ["calc"]}},
            [("output_schema", "must be a map, and {{ all.output }} is a list")],
        ),
        ({"say": SAY, "x": asking()}, [("output_schema.sound", "is missing: it must be text")]),
        (
            {"sound": {"kind": "join", "after": ["calc"]}, "x": asking()},
            [("output_schema.sound", "must be text, and {{ sound.output }} is a list")],
        ),
        ({"sound": SAY, "x": asking()}, []),
        ({"x": asking()}, []),
        ({"any": {"kind": "subgraph", "graph": {"nodes": {"sound": SAY, "more": SAY}}}}, []),
    ],
)
def test_what_a_graph_promises_must_be_what_its_last_nodes_may_give(
    ends: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    schema = {"type": "object", "properties": {"sound": {"type": "string"}}, "required": ["sound"]}
    calc = calling("calculator", expression="1")
    nodes = {"calc": calc, **{name: {"after": ["calc"], **node} for name, node in ends.items()}}
    found = told(nodes, output_schema=schema)
    assert [(path, reason) for path, reason, _ in found] == faults
    assert all(advice == "other nodes at the end, such as a kept agent with this output_schema" for *_, advice in found)


def test_what_a_graph_promises_is_held_against_the_kept_agents_at_its_end() -> None:
    raw = {"name": "agent", "model": "local:extractive", "type": "graph", "graph": {"nodes": {"x": asking()}}}
    definition, _ = inspect_definition({**raw, "output_schema": GIVES["output_schema"]})
    assert definition is not None
    assert list(kept_faults(definition, kept(GIVES))) == []
    assert [fault.reason for fault in kept_faults(definition, kept({}))] == [
        "must be a map, and {{ x.output }} is text"
    ]
