"""A definition is checked whole: every fault at once, each with its path and what may have been meant."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.definition_faults import MAX_FAULTS, inspect_definition, parse_definition
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.suggestions import plain

DATA = Path(__file__).parents[2] / "data"

SINGLE: dict[str, Any] = {"name": "helper", "model": "local:extractive"}
GRAPH: dict[str, Any] = {
    "name": "reviewer",
    "type": "graph",
    "model": {"provider": "local", "model": "extractive"},
    "tools": ["file_read"],
    "graph": {
        "nodes": {
            "files": {"kind": "tool", "tool": "find", "arguments": {"glob": "**/*.py"}},
            "review": {
                "kind": "map",
                "over": "{{ files.output.paths }}",
                "body": {"kind": "agent", "prompt": "Review {{ item }} ({{ index }}) for {{ input.text }}"},
            },
            "all": {"kind": "join", "after": ["review"], "reducer": "text"},
            "write": {
                "kind": "tool",
                "tool": "file_write",
                "arguments": {"path": "review.md", "content": "{{ all.output }}"},
            },
        }
    },
}
NODE = ("graph", "nodes")


def with_value(base: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(base)
    here: Any = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return changed


def faults_of(raw: Any) -> tuple[Fault, ...]:
    return inspect_definition(raw)[1]


@pytest.mark.parametrize(
    ("old", "provider"), [("vertex-gemini", "google-cloud"), ("vertex-anthropic", "anthropic-vertex")]
)
@pytest.mark.parametrize("in_one_text", [False, True])
def test_an_old_name_of_a_provider_means_the_present_one(old: str, provider: str, in_one_text: bool) -> None:  # noqa: FBT001 - a table
    model = f"{old}:m" if in_one_text else {"provider": old, "model": "m"}
    assert parse_definition({**SINGLE, "model": model}).model.full_name == f"{provider}:m"


def test_the_first_users_own_file_imports_as_it_stands() -> None:
    raw = yaml.safe_load((DATA / "research-agent.yaml").read_text())
    definition = parse_definition(raw)
    assert definition.name == "custom_research_agent"
    assert definition.model.provider == "google-cloud"
    assert [tool.name for tool in definition.tools] == ["web_search", "document_analyzer"]
    assert definition.workflows["research_paper"]["steps"][0]["query"] == "{{user_query}} academic papers"
    assert definition.metadata["tags"] == ["research", "academic", "papers"]


@pytest.mark.parametrize("raw", [SINGLE, GRAPH], ids=["single", "graph"])
def test_a_good_definition_has_no_fault(raw: dict[str, Any]) -> None:
    definition, faults = inspect_definition(raw)
    assert faults == ()
    assert definition is not None
    assert definition.name == raw["name"]


@pytest.mark.parametrize(
    ("path", "value", "fault", "reason", "suggestion"),
    [
        (("nam",), "x", "nam", "not a known key", "name"),
        (("name",), "Bad Name!", "name", "lower-case", "bad_name"),
        (("name",), 7, "name", "must be text", 'put it in quotes: "7"'),
        (("version",), 1.0, "version", "must be text", 'put it in quotes: "1.0"'),
        (("type",), "grph", "type", "one of single, delegation, graph", "graph"),
        (("model",), "googel:gemini", "model", "provider:model", "google:gemini"),
        (("model",), "google:", "model", "provider:model", "google:<model>"),
        (("model",), "local:extractiv", "model", "no local model", "local:extractive"),
        (("model",), 5, "model", "must be a map", None),
        (("model",), {"provider": "vertex-gemni", "model": "m"}, "model.provider", "must be one of", "vertex-gemini"),
        (("model",), {"provider": "local", "model": "scriptd"}, "model.model", "no local model", "scripted"),
        (("model",), {"provider": "google", "model": "m", "temprature": 1}, "model.temprature", "known", "temperature"),
        (("model",), {"provider": "google", "model": "m", "temperature": 3}, "model.temperature", "less than", None),
        (
            ("model",),
            {"provider": "google", "model": "m", "script": [{"chunks": ["a"]}]},
            "model.script",
            "only local:scripted",
            None,
        ),
        (
            ("model",),
            {"provider": "local", "model": "scripted", "script": [{"chunk": ["a"]}]},
            "model.script.0.chunk",
            "not a known key",
            "chunks",
        ),
        (("tools",), ["web_serch"], "tools.0", "no tool", "web_search"),
        (("tools",), [{"name": "web_serch"}], "tools.0.name", "no tool", "web_search"),
        (("tools",), "web_search", "tools", "must be a list", None),
        (("tools",), ["grep", "grep"], "tools.1", "listed twice", None),
        (("tools",), [{"name": "grep", "enabld": True}], "tools.0.enabld", "not a known key", "enabled"),
        (
            ("tools",),
            [{"name": "web_search", "config": {"max_result": 1}}],
            "tools.0.config.max_result",
            "not a known key",
            "max_results",
        ),
        (
            ("tools",),
            [{"name": "web_search", "config": {"max_results": "many"}}],
            "tools.0.config.max_results",
            "whole number",
            None,
        ),
        (("model",), {"provider": "google", "model": ""}, "model.model", "must have at least 1", None),
        (("display_name",), "x" * 201, "display_name", "must have at most 200", None),
        (
            ("model",),
            {"provider": "google", "model": "m", "stop_sequences": [1]},
            "model.stop_sequences.0",
            "text",
            'put it in quotes: "1"',
        ),
        (("limits",), {"requests": 0}, "limits.requests", "must be greater", None),
        (("graph",), GRAPH["graph"], "type", "since there is a 'graph'", "graph"),
        (("metadata",), {"tags": "a"}, "metadata.tags", "list of texts", None),
        (("metadata",), {"tags": ["a"] * 21}, "metadata.tags", "20 at most", None),
        (("metadata",), {"category": 1}, "metadata.category", "must be text", None),
        (
            ("workflows",),
            {"w": {"steps": [{"tool": "greb"}]}},
            "workflows.w.steps.0.tool",
            "no tool",
            "grep",
        ),
    ],
)
def test_a_fault_of_a_definition_is_found_where_it_is(
    path: tuple[str, ...], value: Any, fault: str, reason: str, suggestion: str | None
) -> None:
    (found,) = faults_of(with_value(SINGLE, path, value))
    assert (found.path, found.suggestion) == (fault, suggestion)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("path", "value", "fault", "reason", "suggestion"),
    [
        (("graph",), None, "graph", "is missing", None),
        (("graph",), {"nodes": {}}, "graph.nodes", "at least 1", None),
        ((*NODE, "all", "after"), ["revew"], "graph.nodes.all.after.0", "no node", "review"),
        ((*NODE, "all", "after"), ["all"], "graph.nodes.all.after.0", "wait for itself", None),
        ((*NODE, "all", "after"), [], "graph.nodes.all.after", "must name the nodes", None),
        ((*NODE, "all", "kind"), "jion", "graph.nodes.all.kind", "must be one of", "join"),
        ((*NODE, "Bad-name"), {"kind": "agent", "prompt": ""}, "graph.nodes.Bad-name", "lower-case", "bad_name"),
        ((*NODE, "item"), {"kind": "agent", "prompt": ""}, "graph.nodes.item", "another name", None),
        ((*NODE, "write", "tool"), "file_wrte", "graph.nodes.write.tool", "no tool", "file_write"),
        (
            (*NODE, "write", "arguments", "contnt"),
            "{{ all.output }}",
            "graph.nodes.write.arguments.contnt",
            "not an argument",
            "content",
        ),
        (
            (*NODE, "write", "arguments", "path"),
            {"a": 1},
            "graph.nodes.write.arguments.path",
            "must be text",
            None,
        ),
        (
            (*NODE, "write", "arguments", "content"),
            "{{ al.output }}",
            "graph.nodes.write.arguments",
            "refers to no node",
            "all",
        ),
        (
            (*NODE, "write", "arguments", "content"),
            "{{ write.output }}",
            "graph.nodes.write.arguments",
            "the node itself",
            None,
        ),
        (
            (*NODE, "write", "arguments", "content"),
            "{{ all.output + 1 }}",
            "graph.nodes.write.arguments",
            "not a path",
            "{{ node.output }}",
        ),
        (
            (*NODE, "write", "config"),
            {"x": 1},
            "graph.nodes.write.config.x",
            "not a known key",
            None,
        ),
        (
            (*NODE, "review", "over"),
            "all of files",
            "graph.nodes.review.over",
            "one placeholder",
            "{{ list_files.output }}",
        ),
        (
            (*NODE, "review", "body"),
            {"kind": "agent", "promt": "", "prompt": ""},
            "graph.nodes.review.body.promt",
            "not a known key",
            "prompt",
        ),
        (
            (*NODE, "review", "body"),
            {"kind": "agent"},
            "graph.nodes.review.body.prompt",
            "is missing",
            None,
        ),
        (
            (*NODE, "review", "body"),
            {"kind": "agent", "prompt": "", "tools": ["gerp"]},
            "graph.nodes.review.body.tools.0",
            "no tool",
            "grep",
        ),
        (
            (*NODE, "review", "body"),
            {"kind": "tool", "tool": "file_read", "arguments": {"pth": "{{ item }}", "path": "x"}},
            "graph.nodes.review.body.arguments.pth",
            "not an argument",
            "path",
        ),
        (
            (*NODE, "review", "body"),
            {"kind": "agent", "prompt": "", "after": ["files"]},
            "graph.nodes.review.body.after",
            "belongs to the node",
            "graph.nodes.review.after",
        ),
        (
            (*NODE, "files", "arguments", "glob"),
            "{{ item }}",
            "graph.nodes.files.arguments",
            "only in the body of a map",
            None,
        ),
        (
            (*NODE, "files", "after"),
            ["write"],
            "graph.nodes",
            "wait for each other: ",
            None,
        ),
        ((*NODE, "files"), 5, "graph.nodes.files", "must be a map", None),
    ],
)
def test_a_fault_of_a_graph_is_found_where_it_is(
    path: tuple[str, ...], value: Any, fault: str, reason: str, suggestion: str | None
) -> None:
    found = faults_of(with_value(GRAPH, path, value))
    wanted = [one for one in found if one.path == fault and reason in one.reason]
    assert [one.suggestion for one in wanted] == [suggestion], found


def test_faults_of_form_do_not_hide_faults_of_meaning() -> None:
    raw = with_value(GRAPH, ("nam",), "x")
    raw["tools"] = ["web_serch"]
    raw["graph"]["nodes"]["review"]["body"] = {"kind": "agent"}
    raw["graph"]["nodes"]["all"]["after"] = ["reviw"]
    assert [fault.path for fault in faults_of(raw)] == [
        "nam",
        "tools.0",
        "graph.nodes.review.body.prompt",
        "graph.nodes.all.after.0",
    ]


@pytest.mark.parametrize("raw", [None, 5, "name: x", ["name"]])
def test_only_a_map_is_a_definition(raw: Any) -> None:
    assert [fault.path for fault in faults_of(raw)] == [""]


def test_a_refusal_carries_all_faults() -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_definition({"name": "X", "nam": 1})
    assert {fault.path for fault in refused.value.faults} == {"name", "nam", "model"}
    assert refused.value.message == "The definition has 3 faults."


def test_a_flood_of_faults_is_cut() -> None:
    raw = {**SINGLE, **{f"unknown_{n}": n for n in range(500)}}
    faults = faults_of(raw)
    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1].reason == "and 400 faults more"


KEYS = st.sampled_from(["name", "kind", "tool", "agent", "map", "model", "tools", "after", "body", "0", "x", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, below in cast("dict[str, Any]", value).items():
            yield from places(below, (*path, key))
    elif isinstance(value, list):
        for position, below in enumerate(cast("list[Any]", value)):
            yield from places(below, (*path, position))


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(list(places(GRAPH))), value=VALUES, extra=VALUES)
def test_whatever_is_written_is_judged_and_never_a_crash(place: tuple[str | int, ...], value: Any, extra: Any) -> None:
    beside = place if isinstance(place[-1], int) else (*place[:-1], "x")
    for raw in (with_value(GRAPH, place, value), with_value(GRAPH, beside, extra), value):
        definition, faults = inspect_definition(raw)
        assert (definition is None) == bool(faults)


@pytest.mark.parametrize(
    ("message", "plainer"),
    [
        ("Input should be greater than 0", "must be greater than 0"),
        ("Value error, no such thing", "no such thing"),
        ("Something new", "something new"),
    ],
)
def test_a_schemas_message_is_put_in_plain_words(message: str, plainer: str) -> None:
    assert plain(message) == plainer


SUB: dict[str, Any] = {"description": "helps"}


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"type": "delegation"}, "agents", "is missing"),
        ({"agents": {"a": SUB}}, "type", "must be delegation"),
        ({"type": "delegation", "agents": {"a": {**SUB, "tools": ["grepp"]}}}, "agents.a.tools.0", "grepp"),
        ({"type": "delegation", "agents": {"human": SUB}}, "agents.human", "'ask_human', which is a built-in tool"),
        (
            {"type": "delegation", "agents": {"a": {**SUB, "agents": {"human": SUB}}}},
            "agents.a.agents.human",
            "choose another name",
        ),
        ({"type": "delegation", "agents": {"a": {**SUB, "model": "local:nothing"}}}, "agents.a.model", "nothing"),
        (
            {
                "type": "delegation",
                "agents": {"a": {**SUB, "agents": {"b": {**SUB, "agents": {"c": {**SUB, "agents": {"d": SUB}}}}}}},
            },
            "agents.a.agents.b.agents.c.agents",
            "deep",
        ),
    ],
)
def test_a_fault_of_delegation_is_found_where_it_is(change: dict[str, Any], path: str, reason: str) -> None:
    found = faults_of({"name": "asker", "model": "local:extractive", **change})
    assert [fault for fault in found if fault.path.startswith(path) and reason in fault.reason], found


FIND: dict[str, Any] = {"kind": "tool", "tool": "find", "arguments": {"glob": "*"}}


@pytest.mark.parametrize(
    ("nodes", "path", "reason"),
    [
        ({"b": {"kind": "branch", "cases": {"x": "b.output > 1"}}}, "graph.nodes.b.cases", "itself"),
        ({"t": {"kind": "join", "after": ["u"], "policy": "quorum"}}, "graph.nodes.t.quorum", "quorum"),
        (
            {"u": FIND, "v": FIND, "t": {"kind": "join", "after": ["u", "v"], "policy": "quorum", "quorum": 3}},
            "graph.nodes.t.quorum",
            "is more than the 2 that it waits for",
        ),
        (
            {"g": {"kind": "approval", "message": "Go on?", "asked": ["ada", "{{ input.boss }}"]}},
            "graph.nodes.g.asked.1",
            "must be the id of a person",
        ),
        ({"b": {"kind": "branch", "cases": {"failed": "true"}}}, "graph.nodes.b.cases.failed", "something else"),
        ({"b": {"kind": "branch", "cases": {"otherwise": "true"}}}, "graph.nodes.b.cases.otherwise", "something else"),
        (
            {"t": {**FIND, "retry": {"on": ["unavailable", "model_unavailble"]}}},
            "graph.nodes.t.retry.on.1",
            "is no error after which trying again may help",
        ),
        (
            {"t": {**FIND, "retry": {"on": ["tool_failed"]}}},
            "graph.nodes.t.retry.on.0",
            "there are aborted, deadline_exceeded, model_unavailable,",
        ),
    ],
)
def test_a_fault_of_control_is_found_where_it_is(nodes: dict[str, Any], path: str, reason: str) -> None:
    raw = {"name": "g", "type": "graph", "model": "local:extractive", "graph": {"nodes": nodes}}
    found = faults_of(raw)
    assert [fault for fault in found if fault.path == path and reason in fault.reason], found


@pytest.mark.parametrize(
    ("reference", "known"), [("b.x", True), ("b.otherwise", True), ("b.failed", True), ("b.y", False)]
)
def test_a_case_that_a_node_cannot_end_with_is_a_fault(reference: str, *, known: bool) -> None:
    tool = {**FIND, "after": [reference]}
    nodes = {"b": {"kind": "branch", "cases": {"x": "true"}}, "t": tool}
    found = faults_of({"name": "g", "type": "graph", "model": "local:extractive", "graph": {"nodes": nodes}})
    assert bool(found) is not known, found


@pytest.mark.parametrize("quorum", [1, 3])
def test_a_quorum_may_be_more_than_the_lists_that_it_takes_from(quorum: int) -> None:
    """Nobody knows how many items a list will have; where there are fewer, the quorum is all of them."""
    each = {"kind": "map", "over": "{{ input.list }}", "body": FIND}
    nodes = {"m": each, "t": {"kind": "join", "after": ["m"], "policy": "quorum", "quorum": quorum}}
    assert faults_of({"name": "g", "type": "graph", "model": "local:extractive", "graph": {"nodes": nodes}}) == ()


def many(kind: str) -> dict[str, Any]:
    """Definitions of about half a megabyte that are wrong in as many places as fit."""
    match kind:
        case "keys":
            return {**SINGLE, **{f"unknown_{n}": n for n in range(40_000)}}
        case "tools":
            return {**SINGLE, "tools": [f"greb{n}" for n in range(40_000)]}
        case "references":
            nodes = {f"n{n}": {"kind": "agent", "prompt": "{{ nn.output }}"} for n in range(5000)}
            return {**SINGLE, "type": "graph", "graph": {"nodes": nodes}}
        case "characters":
            return {**SINGLE, "metadata": {f"\u202e{n}": "\x00" for n in range(20_000)}}
        case "length":
            return {**SINGLE, "type": "x" * 500_000, "tools": ["y" * 500_000]}
        case _:
            parts = {f"p{n}": {"type": "strng"} for n in range(2_000)}
            return {**SINGLE, "input_schema": {"type": "object", "properties": parts}, "prompt": "x"}


@pytest.mark.parametrize("kind", ["keys", "tools", "references", "characters", "length", "schema"])
def test_a_flood_of_faults_takes_no_longer_than_it_should(kind: str) -> None:
    raw = many(kind)
    started = time.process_time()
    _, faults = inspect_definition(raw)
    assert time.process_time() - started < 3
    assert 1 <= len(faults) <= MAX_FAULTS + 1
