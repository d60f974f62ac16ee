"""What subgraphs, kept agents and fallbacks become in a plan, and what cannot be planned."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.definition_faults import inspect_definition
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId, Uid
from shared.domain.kept_agents import KeptAgent, KeptAgents, references_in
from shared.domain.nodes import FAILED_CASE
from shared.domain.plan_bounds import bound_plan
from shared.domain.plan_graphs import PlanGraph
from shared.domain.planning import MAX_NODES, compile_plan
from shared.domain.plans import AgentWork, Plan, ToolWork, split_plan

TOOL: dict[str, Any] = {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1"}}


def graph(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "agent", "model": "local:extractive", "type": "graph", "graph": {"nodes": nodes}, **more}


def subgraph(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "subgraph", "graph": {"nodes": nodes}, **more}


def plan_of(nodes: dict[str, Any], kept: KeptAgents | None = None, **more: Any) -> Plan:
    return compile_plan(AgentDefinition.model_validate(graph(nodes, **more)), kept)


def keep(**agents: dict[str, Any]) -> KeptAgents:
    """Agents by their ids, all in version 3."""
    parsed = {name: {"name": name, "model": "local:extractive", **raw} for name, raw in agents.items()}
    return {
        AgentReference(id=name): KeptAgent(AgentId(name), 3, Uid("bob"), AgentDefinition.model_validate(raw))
        for name, raw in parsed.items()
    }


def edges(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {node.id: node.after for node in plan.nodes}


def test_a_subgraph_begins_with_its_input_and_ends_after_its_last_nodes() -> None:
    inner = {"a": TOOL, "b": {**TOOL, "after": ["a"]}, "c": TOOL}
    plan = plan_of({"first": TOOL, "in": subgraph(inner, after=["first"]), "last": {**TOOL, "after": ["in"]}})
    assert edges(plan) == {
        "first": (),
        "in.input": ("first",),
        "in.a": ("in.input",),
        "in.b": ("in.a",),
        "in.c": ("in.input",),
        "in": ("in.b", "in.c"),
        "last": ("in",),
        "$end": ("last",),
    }
    assert {node.id: node.within for node in plan.nodes if node.within} == dict.fromkeys(
        ("in.input", "in.a", "in.b", "in.c"), "in"
    )


def test_a_fallback_waits_for_the_failure_and_the_node_for_both() -> None:
    plan = plan_of({"y": TOOL, "x": {**TOOL, "fallback": {**TOOL, "arguments": {"expression": "{{ y.output }}"}}}})
    assert edges(plan)["x.main"] == ("y",), "a node waits for what its fallback refers to"
    assert PlanGraph(plan).by_id[plan.nodes[2].id].cases == {"x.main": FAILED_CASE}
    assert edges(plan)["x.fallback"] == ("x.main",)
    assert edges(plan)["x"] == ("x.main", "x.fallback")


def test_a_plan_survives_being_stored() -> None:
    inner = {"a": {**TOOL, "fallback": TOOL}}
    kept = keep(writer={"input_schema": {"type": "object", "properties": {"text": {"type": "string"}}}})
    plan = plan_of({"in": subgraph(inner, input={"n": [1, "{{ input }}"]}), "w": writer()}, kept)
    _, chunks = split_plan(plan)
    assert Plan.model_validate_json("".join(chunks)) == plan


def writer(**more: Any) -> dict[str, Any]:
    return {"kind": "agent", "agent": {"id": "writer"}, **more}


def test_a_kept_agent_brings_its_prompt_its_tools_and_its_author() -> None:
    http = {"name": "look", "description": "Looks.", "url": "https://example.com/a"}
    kept = keep(
        writer={"prompt": "Write: {{ input.text }}", "http_tools": [http], "tools": ["look"], "limits": {"seconds": 9}}
    )
    plan = plan_of({"a": writer(input="{{ input.topic }}", timeout_seconds=60)}, kept)
    node = plan.nodes[0]
    assert isinstance(node.work, AgentWork)
    assert (node.work.prompt, node.work.input) == ("Write: {{ input.text }}", "{{ input.topic }}")
    seconds = [part.seconds for part in plan.parts_of(node)]
    assert (node.timeout_seconds, seconds) == (60, [9]), "it has no more time than it would have by itself"
    origin = plan.origin_of(node)
    assert origin is not None
    assert (origin.agent_id, origin.version, origin.author_uid) == ("writer", 3, "bob")
    assert [tool.name for tool in plan.kit(node, node.work.agent.tools).http_tools] == ["look"]


def test_tools_of_one_name_are_those_of_the_agent_whose_node_calls_them() -> None:
    def http(site: str) -> list[dict[str, Any]]:
        return [{"name": "look", "description": "Looks.", "url": f"https://{site}.example.com/a"}]

    call = {"kind": "tool", "tool": "look"}
    kept = keep(writer={"type": "graph", "graph": {"nodes": {"a": call}}, "http_tools": http("inner")})
    plan = plan_of({"in": writer(), "b": call}, kept, http_tools=http("outer"))
    urls: dict[str, str] = {}
    for node in plan.nodes:
        if isinstance(node.work, ToolWork):
            urls[node.id] = plan.kit_of(node, node.work).http_tools[0].url
    assert urls == {"in.a": "https://inner.example.com/a", "b": "https://outer.example.com/a"}


def test_a_kept_graph_becomes_a_subgraph_with_its_own_defaults() -> None:
    inner = {
        "type": "graph",
        "system_prompt": "Be brief.",
        "graph": {"nodes": {"a": {"kind": "agent", "prompt": "Hm"}}},
    }
    plan = plan_of({"in": writer()}, keep(writer=inner), system_prompt="Be long.")
    assert list(edges(plan)) == ["in.input", "in.a", "in", "$end"]
    work = plan.nodes[1].work
    assert isinstance(work, AgentWork)
    assert (work.agent.system_prompt, work.agent.name) == ("Be brief.", "writer.a")


def refused(nodes: dict[str, Any], kept: KeptAgents) -> list[tuple[str, str]]:
    with pytest.raises(InvalidArgument) as refusal:
        plan_of(nodes, kept)
    return [(fault.path, fault.reason) for fault in refusal.value.faults]


def test_agents_that_run_each_other_are_refused() -> None:
    kept = keep(
        writer={"type": "graph", "graph": {"nodes": {"a": {"kind": "agent", "agent": {"id": "critic"}}}}},
        critic={"type": "graph", "graph": {"nodes": {"b": writer()}}},
    )
    assert refused({"in": writer()}, kept) == [
        ("graph.nodes.in.agent.id", "the agents run each other: writer → critic → writer")
    ]


def test_what_a_plan_cannot_hold_is_refused() -> None:
    inner = {"type": "graph", "graph": {"nodes": {"a": TOOL}}}
    each = {"kind": "map", "over": "{{ input.items }}", "body": writer()}
    assert refused({"in": each}, keep(writer=inner)) == [
        ("graph.nodes.in.max_items", "times the nodes of the graph comes to more than 5,000 nodes")
    ]
    assert len(plan_of({"in": {**each, "max_items": 1666}}, keep(writer=inner)).nodes) == 1 + 1666 * 3 + 2
    assert refused({"in": {**each, "max_items": 1667}}, keep(writer=inner))[0][0] == "graph.nodes.in.max_items"
    assert refused({"in": writer()}, {}) == [("graph.nodes.in.agent.id", "there is no agent 'writer' that you may run")]
    assert refused({"in": writer(timeout_seconds=3)}, keep(writer=inner)) == [
        ("graph.nodes.in.timeout_seconds", "belongs to the nodes of a graph, and this agent is one")
    ]
    many = {f"n{n}": TOOL for n in range(MAX_NODES // 2)}
    wide = keep(writer={"type": "graph", "graph": {"nodes": many}})
    assert refused({"a": writer(), "b": writer()}, wide)[0][1] == f"comes to more than {MAX_NODES} nodes"


def test_how_many_items_fit_is_told_of_a_map_that_comes_to_too_many_nodes() -> None:
    each = {"kind": "map", "over": "{{ input.items }}", "body": subgraph({"a": TOOL})}
    again = {"kind": "loop", "until": "false", "max_rounds": 1000, "body": subgraph({f"n{n}": TOOL for n in range(7)})}
    for node, fit in ((each, "at most 1666"), (again, "at most 555")):
        with pytest.raises(InvalidArgument) as refusal:
            plan_of({"in": node})
        assert [fault.suggestion for fault in refusal.value.faults] == [fit]


def test_graphs_stand_only_so_deep_within_one_another() -> None:
    nodes: dict[str, Any] = {"a": TOOL}
    for _ in range(5):
        nodes = {"in": subgraph(nodes)}
    told = [fault.reason for fault in faults_of(graph(nodes))]
    assert told == ["graphs may stand at most 5 deep within one another"]


def test_kept_graphs_stand_only_so_deep_within_one_another() -> None:
    def in_a_row(many: int) -> KeptAgents:
        """Agents of which each runs the next, and the last one a tool."""
        inner: list[dict[str, Any]] = [{"kind": "agent", "agent": {"id": f"a{n}"}} for n in range(1, many)]
        return keep(
            **{f"a{n}": {"type": "graph", "graph": {"nodes": {"in": node}}} for n, node in enumerate([*inner, TOOL])}
        )

    first = {"in": {"kind": "agent", "agent": {"id": "a0"}}}
    assert edges(plan_of(first, in_a_row(4)))["in.in.in.in.in"] == ("in.in.in.in.input",)
    assert refused(first, in_a_row(5)) == [("graph.nodes.in", "graphs may stand at most 5 deep within one another")]


def test_every_reference_is_found_wherever_it_stands() -> None:
    nodes = {
        "a": writer(),
        "b": {"kind": "map", "over": "{{ input.items }}", "body": writer()},
        "c": {**TOOL, "fallback": subgraph({"d": writer()})},
    }
    found = [path for path, _ in references_in(AgentDefinition.model_validate(graph(nodes)))]
    assert found == ["graph.nodes.a", "graph.nodes.b.body", "graph.nodes.c.fallback.graph.nodes.d"]


def faults_of(raw: dict[str, Any]) -> tuple[Fault, ...]:
    return inspect_definition(raw)[1]


@pytest.mark.parametrize(
    ("node", "path", "reason"),
    [
        (
            subgraph({"a": {**TOOL, "arguments": {"expression": "{{ first.output }}"}}}),
            "x.graph.nodes.a.arguments",
            "outside",
        ),
        (subgraph({"a": {**TOOL, "after": ["first"]}}), "x.graph.nodes.a.after.0", "there is no node 'first'"),
        (subgraph({"a": {**TOOL, "tool": "calculater"}}), "x.graph.nodes.a.tool", "there is no tool"),
        (subgraph({"input": TOOL}), "x.graph.nodes.input", "means something else"),
        (subgraph({"a": TOOL}, input="{{ x.output }}"), "x.input", "refers to the node itself"),
        (subgraph({"a": TOOL}, retry={"max_attempts": 2}), "x.retry", "is not a known key here"),
        ({**TOOL, "fallback": {**TOOL, "after": ["first"]}}, "x.fallback.after", "belongs to the node"),
        ({**TOOL, "fallback": {**TOOL, "tool": "calculater"}}, "x.fallback.tool", "there is no tool"),
        (
            {**TOOL, "fallback": {"kind": "agent", "prompt": "{{ nothing.output }}"}},
            "x.fallback.prompt",
            "refers to no node",
        ),
        ({"kind": "agent"}, "x.prompt", "is missing"),
        ({"kind": "agent", "prompt": "a", "input": "b"}, "x.input", "kept on its own"),
        (writer(prompt="a"), "x.prompt", "does not go with 'agent'"),
        (writer(input="{{ nothing.output }}"), "x.input", "refers to no node"),
        ({"kind": "agent", "agent": {"id": "a/b"}}, "x.agent.id", ""),
        (
            {"kind": "map", "over": "{{ input.items }}", "body": {"kind": "join", "after": ["a"]}},
            "x.body.kind",
            "must be one of",
        ),
        (
            {"kind": "map", "over": "{{ input.items }}", "body": {**TOOL, "fallback": TOOL}},
            "x.body.fallback",
            "is not for the body",
        ),
        (
            subgraph({"a": {**TOOL, "after": ["b"]}, "b": {**TOOL, "after": ["a"]}}),
            "x.graph.nodes",
            "the nodes wait for each other",
        ),
    ],
)
def test_a_fault_of_a_part_is_told_with_its_place(node: dict[str, Any], path: str, reason: str) -> None:
    found = faults_of(graph({"first": TOOL, "x": node}))
    assert [fault for fault in found if fault.path == f"graph.nodes.{path}" and reason in fault.reason], found


def test_a_kept_agent_that_limits_what_it_consumes_is_a_part_by_itself() -> None:
    inner = {"ask": {"kind": "agent", "agent": {"id": "poor"}}, "say": {"kind": "agent", "prompt": "Hm."}}
    kept = keep(
        poor={"budget": {"calls": 2, "parallel_nodes": 3}},
        busy={"budget": {"parallel_nodes": 3}},
        writer={"type": "graph", "graph": {"nodes": inner}, "budget": {"calls": 9, "parallel_nodes": 4}},
    )
    each = {"kind": "map", "over": "{{ input.words }}", "body": {"kind": "agent", "agent": {"id": "poor"}}}
    busy = {"kind": "agent", "agent": {"id": "busy"}}
    plan = plan_of({"in": writer(), "each": each, "busy": busy, "own": {"kind": "agent", "prompt": "Hm."}}, kept)
    found = {node.id: [part.vertex for part in plan.parts_of(node)] for node in plan.nodes}
    assert found == {
        "in.input": [],
        "in.ask": ["in.ask", "in"],
        "in.say": ["in"],
        "in": [],
        "each": ["each"],
        "busy": [],
        "own": [],
        "$end": [],
    }
    budgets = {part.vertex: (part.budget.calls, part.budget.places) for part in plan.parts}
    assert budgets == {"in": (9, 4), "in.ask": (2, None), "each": (2, None)}, "one node is at work by itself anyhow"


def test_a_kept_agent_comes_to_no_more_than_its_budget_allows() -> None:
    inner = {name: {"kind": "agent", "agent": {"id": "poor"}} for name in ("one", "two")}
    kept = keep(
        poor={"budget": {"calls": 2}, "limits": {"requests": 10}},
        writer={"type": "graph", "graph": {"nodes": inner}, "budget": {"calls": 3, "cost_usd_micros": 7}},
    )
    poor = {"kind": "agent", "agent": {"id": "poor"}}
    each = {"kind": "map", "over": "{{ input.words }}", "body": poor, "max_items": 5}
    own = {"kind": "agent", "prompt": "Hm."}
    assert bound_plan(plan_of({"in": writer(), "each": each, "one": poor}, kept)).requests == 3 + 5 * 2 + 2
    assert bound_plan(plan_of({"own": own, "one": poor}, kept, limits={"requests": 4})).requests == 4 + 2
    dear = {"name": "dear", "model": "anthropic:claude-haiku-4-5", "budget": {"cost_usd_micros": 7}}
    assert bound_plan(plan_of({"each": {**each, "body": writer()}}, keep(writer=dear))).cost_usd_micros == 35
    unknown = {"name": "dear", "model": "anthropic:claude-of-tomorrow", "budget": {"cost_usd_micros": 7}}
    assert bound_plan(plan_of({"ask": writer()}, keep(writer=unknown))).cost_usd_micros == 7
