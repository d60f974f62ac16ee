"""What is seen of a graph before it runs: nodes that never do, paths that lead to nothing, and the worst case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.adapters.cel.conditions import CelConditions
from shared.domain.definition_faults import inspect_definition
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault
from shared.domain.plan_bounds import bound_faults, bound_plan
from shared.domain.planning import compile_plan
from shared.domain.run_bounds import MOST_NODE_RUNS, PlanBounds, bound_warnings
from shared.usecases.agents.check_graph import condition_faults

CALC: dict[str, Any] = {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1"}}
SAY: dict[str, Any] = {"kind": "agent", "prompt": "Hm."}
SIZE: dict[str, Any] = {"kind": "branch", "cases": {"small": "true", "large": "false"}}
GATE: dict[str, Any] = {"kind": "approval", "message": "Go?"}
TOPIC = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "words": {"type": "array", "items": {"type": "string"}},
        "n": {"type": "integer"},
    },
}


def graph(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "agent", "model": "local:extractive", "type": "graph", "graph": {"nodes": nodes}, **more}


def told(nodes: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    _, faults = inspect_definition(graph(nodes, **more))
    return [(fault.path.removeprefix("graph.nodes."), fault.reason) for fault in faults]


NEVER = "can never run: what it waits for never happens together"


@pytest.mark.parametrize(
    ("nodes", "path"),
    [
        ({"s": SIZE, "a": {**CALC, "after": ["s.small"]}, "b": {**CALC, "after": ["a", "s.large"]}}, "b"),
        ({"s": SIZE, "a": {**CALC, "after": ["s.small"]}, "b": {**CALC, "after": ["s.failed", "a"]}}, "b"),
        ({"a": CALC, "b": {**CALC, "after": ["a.failed"]}, "c": {**CALC, "after": ["a", "b"]}}, "c"),
        ({"g": GATE, "a": {**CALC, "after": ["g"]}, "b": {**CALC, "after": ["a", "g.denied"]}}, "b"),
    ],
)
def test_a_node_that_can_never_run_is_found(nodes: dict[str, Any], path: str) -> None:
    later = {**nodes, "later": {**CALC, "after": [path]}}
    assert told(later) == [(path, NEVER)], "what comes after it is no fault of its own"


@pytest.mark.parametrize(
    "nodes",
    [
        {"s": SIZE, "a": {**CALC, "after": ["s.small"]}, "b": {**CALC, "after": ["a", "s"]}},
        {"a": CALC, "b": {**CALC, "after": ["a.failed"]}, "c": {"kind": "join", "policy": "any", "after": ["a", "b"]}},
        {"g": GATE, "a": {**CALC, "after": ["g"]}, "b": {**CALC, "after": ["g.denied"]}},
        {"a": CALC, "b": {**CALC, "after": ["a.failed"]}, "c": {**CALC, "after": ["b"]}},
    ],
)
def test_what_can_happen_is_no_fault(nodes: dict[str, Any]) -> None:
    assert told(nodes) == []


def test_who_waits_for_a_failure_has_no_output_to_read() -> None:
    nodes = {"a": CALC, "b": {"kind": "agent", "prompt": "{{ a.output }}", "after": ["a.failed"]}}
    assert told(nodes) == [("b", "refers to the output of 'a', whose failure it waits for: there is none then")]


def test_a_node_ends_in_one_way() -> None:
    nodes = {"s": SIZE, "b": {"kind": "join", "policy": "any", "after": ["s.small", "s.large"]}}
    assert told(nodes) == [("b.after.1", "'s' ends in one way, and is waited for here already")]


@pytest.mark.parametrize(
    ("node", "path", "reason"),
    [
        ({"kind": "agent", "prompt": "{{ say.outptu }}"}, "x.prompt", "'say' has no 'outptu'; did you mean 'output'?"),
        ({"kind": "agent", "prompt": "{{ say.output.title }}"}, "x.prompt", "'say.output' is text, and has no 'title'"),
        (
            {"kind": "agent", "prompt": "{{ size.output.kase }}"},
            "x.prompt",
            "'size.output' has no 'kase'; did you mean 'case'?",
        ),
        ({"kind": "agent", "prompt": "{{ input.topik }}"}, "x.prompt", "'input' has no 'topik'; did you mean 'topic'?"),
        (
            {"kind": "agent", "prompt": "{{ input.words.first }}"},
            "x.prompt",
            "'input.words' is a list: choose with [0]",
        ),
        ({"kind": "agent", "prompt": "{{ input.n.x }}"}, "x.prompt", "'input.n' is a number, and has no 'x'"),
        (
            {"kind": "map", "over": "{{ say.output }}", "body": SAY},
            "x.over",
            "must be a list, and {{ say.output }} is text",
        ),
        (
            {"kind": "map", "over": "{{ input.words }}", "body": {"kind": "agent", "prompt": "{{ item.name }}"}},
            "x.body.prompt",
            "'item' is text, and has no 'name'",
        ),
        (
            {
                "kind": "subgraph",
                "input": {"a": "{{ say.output }}"},
                "graph": {"nodes": {"y": {**SAY, "prompt": "{{ input.b }}"}}},
            },
            "x.graph.nodes.y.prompt",
            "'input' has no 'b'",
        ),
        (
            {
                "kind": "subgraph",
                "input": "{{ say.output }}",
                "graph": {"nodes": {"y": {**SAY, "prompt": "{{ input.a }}"}}},
            },
            "x.graph.nodes.y.prompt",
            "'input' has no 'a'",
        ),
        (
            {**SIZE, "cases": {"big": "input.topik == 'x'"}},
            "x.cases.big",
            "'input' has no 'topik'; did you mean 'topic'?",
        ),
    ],
)
def test_a_path_that_leads_to_nothing_is_found(node: dict[str, Any], path: str, reason: str) -> None:
    assert told({"say": SAY, "size": SIZE, "x": node}, input_schema=TOPIC) == [(path, reason)]


def test_where_nothing_is_known_nothing_is_wrong() -> None:
    nodes = {
        "calc": CALC,
        "a": {"kind": "agent", "prompt": "{{ calc.output.result.deep }} {{ input.anything }}"},
        "b": {"kind": "map", "over": "{{ calc.output.items }}", "body": {"kind": "agent", "prompt": "{{ item.name }}"}},
        "in": {"kind": "subgraph", "graph": {"nodes": {"c": {"kind": "agent", "prompt": "{{ input.anything }}"}}}},
    }
    assert told(nodes) == []


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("say.output ==", "is no condition of CEL"),
        ("sey.output == 'x'", "'sey' is no node beside this one"),
        ("say.output > 3", "does not fit the types of what it compares"),
        ("input.n == 'x' || input.n + 'y' == 'z'", "does not fit the types"),
        ("size(say.output)", "yields int, not true or false"),
        ("input.words.exists(w, w > 2)", "does not fit the types"),
        ("say.output == 'x' && size(input.words) > 2", None),
        ("input.words.all(w, w.startsWith('a'))", None),
        ("calc.output.result > 3 && size.output.case == 'small'", None),
        ("type(input.n) == int", None),
        ("1 / (input.n - 1) > 0", None),
    ],
)
async def test_conditions_are_tried_on_values_of_the_types_that_they_refer_to(
    condition: str, reason: str | None
) -> None:
    nodes = {"say": SAY, "size": SIZE, "calc": CALC, "x": {"kind": "branch", "cases": {"yes": condition}}}
    definition = AgentDefinition.model_validate(graph(nodes, input_schema=TOPIC))
    found = await condition_faults(CelConditions(), definition)
    assert [fault.path for fault in found] == ([] if reason is None else ["graph.nodes.x.cases.yes"])
    assert reason is None or reason in found[0].reason


async def test_a_loops_condition_knows_what_its_body_gives() -> None:
    nodes = {"x": {"kind": "loop", "body": SAY, "until": "output > index"}}
    (fault,) = await condition_faults(CelConditions(), AgentDefinition.model_validate(graph(nodes)))
    assert fault.path == "graph.nodes.x.until"


IN_BODY: list[tuple[dict[str, Any], str, str]] = [
    ({"input": "{{ itme }}"}, "x.body.input", "{{ itme }} refers to no node and not to the input"),
    ({"input": "{{ a.output }}"}, "x.body.input", "{{ a }} refers to no node and not to the input"),
    ({"after": ["y"]}, "x.body.after", "belongs to the node, not to its body"),
    ({"fallback": CALC}, "x.body.fallback", "is not for the body of a map or a loop"),
    (
        {"graph": {"nodes": {"a": {**SAY, "prompt": "{{ y.output }}"}}}},
        "x.body.graph.nodes.a.prompt",
        "{{ y }} stands outside of this subgraph, whose nodes see only its 'input'",
    ),
    (
        {"graph": {"nodes": {"a": {**SAY, "prompt": "{{ item }}"}}}},
        "x.body.graph.nodes.a.prompt",
        "{{ item }} is defined only in the body of a map or a loop",
    ),
    (
        {"input": {"n": "{{ index }}"}, "graph": {"nodes": {"a": {**SAY, "prompt": "{{ input.m }}"}}}},
        "x.body.graph.nodes.a.prompt",
        "'input' has no 'm'",
    ),
    (
        {"graph": {"nodes": {"a": {**CALC, "after": ["b"]}, "b": {**CALC, "after": ["a"]}}}},
        "x.body.graph.nodes",
        "the nodes wait for each other",
    ),
    (
        {"graph": {"nodes": {"a": CALC, "b": {**CALC, "after": ["a"]}, "c": {**CALC, "after": ["a.failed", "b"]}}}},
        "x.body.graph.nodes.c",
        NEVER,
    ),
]


@pytest.mark.parametrize(("more", "path", "reason"), IN_BODY)
@pytest.mark.parametrize("kind", ["map", "loop"])
def test_a_graph_as_a_body_is_seen_through(kind: str, more: dict[str, Any], path: str, reason: str) -> None:
    body = {"kind": "subgraph", "graph": {"nodes": {"a": CALC}}, **more}
    own = {"over": "{{ input.words }}", "max_items": 3} if kind == "map" else {"until": "true", "max_rounds": 3}
    found = told({"y": SAY, "x": {"kind": kind, "body": body, **own}})
    assert [place for place, _ in found] == [path]
    assert found[0][1].startswith(reason)


@pytest.mark.parametrize("key", ["retry", "timeout_seconds"])
@pytest.mark.parametrize("step", [SAY, CALC])
def test_how_often_and_how_long_an_item_is_tried_is_said_of_the_map(key: str, step: dict[str, Any]) -> None:
    value = {"retry": {"max_attempts": 9}, "timeout_seconds": 9}[key]
    each = {"kind": "map", "over": "{{ input.words }}", "body": step}
    assert told({"x": {**each, key: value}}) == []
    assert told({"x": {**each, "body": {**step, key: value}}}) == [
        (f"x.body.{key}", "belongs to the node, not to its body")
    ]


def test_a_map_of_graphs_gives_a_list_of_what_they_give() -> None:
    body = {"kind": "subgraph", "graph": {"nodes": {"a": SAY, "b": CALC}}}
    each = {"kind": "map", "over": "{{ input.words }}", "max_items": 3, "body": body}
    wrong = {**SAY, "prompt": "{{ each.output[0].c }}"}
    assert told({"each": each, "fine": {**SAY, "prompt": "{{ each.output[0].a }}"}}) == []
    assert told({"each": each, "wrong": wrong}) == [("wrong.prompt", "'each.output.0' has no 'c'")]


def test_each_turn_of_a_graph_counts() -> None:
    body = {"kind": "subgraph", "graph": {"nodes": {"a": SAY, "b": CALC}}}
    each = {"kind": "map", "over": "{{ input.words }}", "max_items": 3, "body": body}
    found = bounds({"each": each}, limits={"requests": 2, "tool_calls": 5})
    # each.items; of each item its input, a, b, and its end; each, and $end
    assert (found.nodes, found.node_runs) == (1 + 3 * 4 + 2, 1 + 3 * 4 + 2)
    assert (found.requests, found.tool_calls) == (6, 3 * 5 + 3)


def bounds(nodes: dict[str, Any], **more: Any) -> PlanBounds:
    return bound_plan(compile_plan(AgentDefinition.model_validate(graph(nodes, **more))))


def faults(nodes: dict[str, Any], most: int = MOST_NODE_RUNS) -> Iterator[Fault]:
    plan = compile_plan(AgentDefinition.model_validate(graph(nodes)))
    return bound_faults(plan, bound_plan(plan), most)


def test_the_worst_case_counts_items_rounds_and_every_part() -> None:
    nodes = {
        "each": {"kind": "map", "over": "{{ input.words }}", "body": SAY, "max_items": 10},
        "again": {"kind": "loop", "body": CALC, "until": "false", "max_rounds": 4},
        "in": {"kind": "subgraph", "graph": {"nodes": {"a": {**SAY, "fallback": CALC}}}},
    }
    found = bounds(nodes, limits={"requests": 3, "tool_calls": 2})
    # the map and its 10 items, the loop and its 4 rounds, in.input, in.a.main, in.a.fallback, in.a, in, and $end
    assert (found.nodes, found.node_runs) == (8, 11 + 5 + 5 + 1)
    assert (found.requests, found.tool_calls) == (33, 22 + 4 + 1)
    assert found.cost_usd_micros == 0


def test_the_cost_is_bounded_by_the_price_or_by_the_limit_and_one_more_response() -> None:
    model = {"provider": "anthropic", "model": "claude-haiku-4-5", "max_tokens": 1000}
    one = 200_000 * 1 + 1000 * 5  # everything that the model takes in, and the longest response, in millionths
    assert bounds({"a": SAY}, model=model, limits={"requests": 3}).cost_usd_micros == 3 * one
    limits = {"requests": 3, "cost_usd_micros": 5000}
    assert bounds({"a": SAY}, model=model, limits=limits).cost_usd_micros == 5000 + one
    assert bounds({"a": SAY}, model="anthropic:claude-of-tomorrow").cost_usd_micros is None


HAIKU = {"provider": "anthropic", "model": "claude-haiku-4-5", "max_tokens": 1000}
OPUS = {"provider": "anthropic", "model": "claude-opus-4-8", "max_tokens": 1000}
OF_HAIKU, OF_OPUS = 200_000 * 1 + 1000 * 5, 1_000_000 * 5 + 1000 * 25
"""The dearest request of each."""


@pytest.mark.parametrize(
    ("model", "agents", "most"),
    [
        (HAIKU, {}, OF_HAIKU),
        ({**HAIKU, "fallbacks": [OPUS]}, {}, OF_OPUS),
        ({**HAIKU, "fallbacks": ["local:extractive"]}, {}, OF_HAIKU),
        ({**OPUS, "fallbacks": [HAIKU]}, {}, OF_OPUS),
        (HAIKU, {"critic": {}}, OF_HAIKU),
        (HAIKU, {"critic": {"model": OPUS}}, OF_OPUS),
        (HAIKU, {"critic": {"agents": {"judge": {"model": OPUS, "description": "Judges."}}}}, OF_OPUS),
        (HAIKU, {"critic": {"model": {**HAIKU, "fallbacks": [OPUS]}}}, OF_OPUS),
        ({**HAIKU, "fallbacks": [OPUS]}, {"critic": {"model": HAIKU}}, OF_OPUS),
        (HAIKU, {"critic": {"model": "anthropic:claude-of-tomorrow"}}, None),
        ({**HAIKU, "fallbacks": ["anthropic:claude-of-tomorrow"]}, {}, None),
    ],
)
def test_the_dearest_of_the_models_that_may_answer_bounds_the_cost(
    model: dict[str, Any], agents: dict[str, Any], most: int | None
) -> None:
    raw: dict[str, Any] = {"name": "boss", "model": model, "limits": {"requests": 3}}
    if agents:
        asked = {name: {"description": "Judges.", **agent} for name, agent in agents.items()}
        raw |= {"type": "delegation", "agents": asked}
    found = bound_plan(compile_plan(AgentDefinition.model_validate(raw)))
    assert (found.requests, found.cost_usd_micros) == (3, None if most is None else 3 * most)


def test_what_may_come_to_too_much_is_refused() -> None:
    loop = {"kind": "map", "over": "{{ input.words }}", "body": CALC, "max_items": 10_000}
    nodes = {f"m{n}": loop for n in range(10)}
    given: dict[str, Any] = {"words": []}
    wide = {"kind": "subgraph", "input": given, "graph": {"nodes": {"each": loop, "then": loop}}}
    found = list(faults({**nodes, "in": wide}))
    assert [(fault.path, fault.reason) for fault in found] == [
        ("graph.nodes.in", "a run may come to 120,015 node runs, 20,004 of them here, and 100,000 are the most")
    ]


def test_a_deployment_may_run_less_and_exactly_so_much() -> None:
    three = {"each": {"kind": "map", "over": "{{ input.words }}", "body": CALC, "max_items": 3}}
    assert list(faults(three, most=5)) == []  # the map, its three items, and $end
    assert [fault.path for fault in faults(three, most=4)] == ["graph.nodes.each"]


@pytest.mark.parametrize(
    ("cost", "most", "reason"),
    [
        (2_250_000, 2_249_999, "a run may come to $2.25, and is stopped before it costs more than $2.249999"),
        (2_250_000, 2_250_000, None),
        (2_250_000, None, None),
        (None, 1, None),
    ],
)
def test_a_run_that_may_cost_more_than_its_budget_is_warned_of_with_both_figures(
    cost: int | None, most: int | None, reason: str | None
) -> None:
    found = list(bound_warnings(PlanBounds(1, 1, 1, 1, cost), most))
    assert [warning.reason for warning in found] == ([] if reason is None else [reason])
    assert {warning.path for warning in found} <= {"budget.cost_usd_micros"}
