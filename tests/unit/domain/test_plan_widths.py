"""What is refused because a single end would set off, or count for, more than one call and one commit hold."""

from __future__ import annotations

import time
from typing import Any

import pytest

from shared.domain.definitions import AgentDefinition
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId, Uid
from shared.domain.kept_agents import KeptAgent, KeptAgents
from shared.domain.plan_widths import MOST_IN_COMMIT, width_faults
from shared.domain.planning import compile_plan
from shared.domain.runs import WAVE

TOO_MANY = WAVE + 1
OF_A = "graph.nodes.a", "'a' sets off 501 nodes at once; at most 500"


def tool(*after: str, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1"}, "after": list(after), **more}


def layer(many: int, *after: str, name: str = "x") -> dict[str, Any]:
    return {f"{name}{number}": tool(*after) for number in range(many)}


def chain(many: int, *after: str) -> dict[str, Any]:
    """Nodes of which each waits for the one before, and all for the same others."""
    return {f"x{number}": tool(*after, *([f"x{number - 1}"] if number else [])) for number in range(many)}


def subgraph(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "subgraph", "graph": {"nodes": nodes}, **more}


def each(body: dict[str, Any], items: int, *after: str) -> dict[str, Any]:
    return {"kind": "map", "over": "{{ input.items }}", "max_items": items, "body": body, "after": list(after)}


def graph(nodes: dict[str, Any]) -> AgentDefinition:
    raw = {"name": "agent", "model": "local:extractive", "type": "graph", "graph": {"nodes": nodes}}
    return AgentDefinition.model_validate(raw)


def told(nodes: dict[str, Any], kept: KeptAgents | None = None) -> list[tuple[str, str]]:
    definition = graph(nodes)
    return [(fault.path, fault.reason) for fault in width_faults(compile_plan(definition, kept), definition)]


def wide(many: int) -> dict[str, dict[str, Any]]:
    """Graphs in which something sets off so many nodes at once, by what it is."""
    branch = {"kind": "branch", "cases": {"small": "true"}}
    half = many // 2
    return {
        "a node": {"a": tool(), **layer(many, "a")},
        "the last of two": {"a": tool(), "b": tool("a"), **layer(many, "b", "a")},
        "the start": layer(many),
        "a node with a fallback": {"a": tool(fallback=tool()), **layer(many, "a")},
        "a branch, whose skipped nodes are set off too": {
            "a": branch,
            **layer(half, "a.small"),
            **layer(many - half, "a.otherwise", name="y"),
        },
        "a map": {"a": each(tool(), 5000), **layer(many, "a")},
        "the end of a subgraph": {"a": subgraph({"b": tool()}), **layer(many, "a")},
        "the start of a subgraph": {"a": subgraph(layer(many))},
        "a node in a subgraph": {"a": subgraph({"b": tool(), **layer(many, "b")})},
        "a node in a fallback": {"a": tool(fallback=subgraph({"b": tool(), **layer(many, "b")}))},
        "a node in a subgraph with a fallback": {"a": subgraph({"b": tool(), **layer(many, "b")}, fallback=tool())},
        "a node in an item": {"a": each(subgraph({"b": tool(), **layer(many, "b")}), 3)},
    }


@pytest.mark.parametrize(
    ("what", "path", "reason"),
    [
        ("a node", *OF_A),
        ("the last of two", "graph.nodes.b", "'b' sets off 501 nodes at once; at most 500"),
        ("the start", "graph.nodes", "the start of a run sets off 501 nodes at once; at most 500"),
        ("a node with a fallback", *OF_A),
        ("a branch, whose skipped nodes are set off too", *OF_A),
        ("a map", *OF_A),
        ("the end of a subgraph", *OF_A),
        (
            "the start of a subgraph",
            "graph.nodes.a.graph.nodes",
            "the start of 'a' sets off 501 nodes at once; at most 500",
        ),
        ("a node in a subgraph", "graph.nodes.a.graph.nodes.b", "'a.b' sets off 501 nodes at once; at most 500"),
        (
            "a node in a fallback",
            "graph.nodes.a.fallback.graph.nodes.b",
            "'a.fallback.b' sets off 501 nodes at once; at most 500",
        ),
        (
            "a node in a subgraph with a fallback",
            "graph.nodes.a.graph.nodes.b",
            "'a.main.b' sets off 501 nodes at once; at most 500",
        ),
        ("a node in an item", "graph.nodes.a.body.graph.nodes.b", "'a.0.b' sets off 501 nodes at once; at most 500"),
    ],
)
def test_what_sets_off_more_than_a_wave_is_refused_where_it_is_written(what: str, path: str, reason: str) -> None:
    assert told(wide(TOO_MANY)[what]) == [(path, reason)]


@pytest.mark.parametrize("what", wide(0))
def test_a_wave_may_be_set_off_at_once(what: str) -> None:
    assert told(wide(WAVE)[what]) == []


def test_a_kept_agent_is_told_of_where_it_is_referred_to() -> None:
    inner = graph({"b": tool(), **layer(TOO_MANY, "b")})
    writer = KeptAgent(AgentId("writer"), 3, Uid("bob"), inner)
    kept = dict.fromkeys((AgentReference(id="writer"),), writer)
    write = {"kind": "agent", "agent": {"id": "writer"}}
    assert told({"a": write}, kept) == [("graph.nodes.a", "'a.b' sets off 501 nodes at once; at most 500")]
    assert told({"a": each(write, 2)}, kept) == [
        ("graph.nodes.a.body", "'a.0.b' sets off 501 nodes at once; at most 500")
    ]


@pytest.mark.parametrize(("body", "items"), [(tool(), 5000), (subgraph({"b": tool()}), 1600)], ids=["step", "graph"])
def test_a_map_is_as_wide_as_it_likes(body: dict[str, Any], items: int) -> None:
    assert told({"a": tool(), "b": each(body, items, "a")}) == []


def test_whom_others_set_off_later_is_not_set_off_by_all_that_it_waits_for() -> None:
    layers = {"a": tool(), **layer(300, "a"), "then": {"kind": "join", "after": ["x0"]}}
    assert told({**layers, **layer(300, "a", "then", name="y")}) == []


def test_who_waits_behind_a_join_that_needs_only_some_may_be_set_off_by_the_others() -> None:
    first = {"a": tool(), "b": tool(), "then": {"kind": "join", "policy": "any", "after": ["a", "b"]}}
    assert told({**first, **layer(TOO_MANY, "a", "then")}) == [
        ("graph.nodes.a", "'a' sets off 502 nodes at once; at most 500"),
        ("graph.nodes.then", "'then' sets off 501 nodes at once; at most 500"),
    ]
    unsure = {"a": tool(), "b": tool("a"), "c": tool(), "then": {**first["then"], "after": ["b", "c"]}}
    assert told({**unsure, **layer(TOO_MANY, "a", "then")})[0] == (
        "graph.nodes.a",
        "'a' sets off 502 nodes at once; at most 500",
    )
    sure = {"a": tool(), "b": tool("a"), "c": tool("a"), "then": {**first["then"], "after": ["b", "c"]}}
    assert told({**sure, **layer(TOO_MANY, "a", "then")}) == [
        ("graph.nodes.then", "'then' sets off 501 nodes at once; at most 500")
    ]


def test_who_waits_behind_a_join_that_one_item_fires_may_be_set_off_by_the_last_item() -> None:
    nodes = {"a": each(tool(), 9), "then": {"kind": "join", "policy": "any", "after": ["a"]}}
    assert told({**nodes, **layer(TOO_MANY, "a", "then")})[0] == (
        "graph.nodes.a",
        "'a' sets off 502 nodes at once; at most 500",
    )


def test_an_end_that_counts_in_more_places_than_a_commit_holds_is_refused() -> None:
    assert told({"a": tool(), **chain(MOST_IN_COMMIT + 1, "a")}) == []  # the first waits for nothing else
    assert told({"a": tool(), **chain(MOST_IN_COMMIT + 2, "a")}) == [
        ("graph.nodes.a", "'a' is waited for together with others in 401 ways; at most 400")
    ]


def test_nodes_that_wait_for_the_same_count_once() -> None:
    assert told({"a": tool(), "b": tool(), **layer(WAVE, "a", "b")}) == []


def test_the_widest_graph_is_judged_in_little_time() -> None:
    first = layer(300, name="a")
    nodes = {**first, **layer(500, *first), "z": tool(*(f"x{number}" for number in range(500)))}
    definition = graph({**nodes, **{f"y{number}": tool("z", *first) for number in range(500)}})
    plan = compile_plan(definition)
    started = time.process_time()
    found = list(width_faults(plan, definition))
    assert time.process_time() - started < 3
    assert found == []


def test_an_agent_that_is_no_graph_has_nothing_wide() -> None:
    definition = AgentDefinition.model_validate({"name": "agent", "model": "local:extractive"})
    assert list(width_faults(compile_plan(definition), definition)) == []
