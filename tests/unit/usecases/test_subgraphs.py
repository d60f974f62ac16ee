"""Graphs within graphs, and nodes with fallbacks: what they come to, and what fails or skips with them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.runs import Run
from shared.domain.states import NodeState, RunState
from tests.support.engine_rig import CountingToolbox, EngineRig


def tools() -> CountingToolbox:
    def fail(_: Any) -> Any:
        raise ValueError("it broke")

    return CountingToolbox({"echo": lambda args: args["value"], "fail": fail})


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


def subgraph(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "subgraph", "graph": {"nodes": nodes}, **more}


FAILING: dict[str, Any] = {"kind": "tool", "tool": "fail"}
EACH = {"kind": "map", "over": "{{ input.words }}", "body": echo("{{ item }}!")}


async def play(nodes: dict[str, Any], text: Any = "hello", **definition: Any) -> tuple[EngineRig, Run]:
    """A run of the graph to its end."""
    rig = EngineRig(toolbox=tools())
    agent = await rig.make_agent(type="graph", graph={"nodes": nodes}, **definition)
    started = await rig.start(agent, input=text)
    await rig.drain()
    assert rig.defects == []
    return rig, await rig.run(started.run.id)


async def states(rig: EngineRig, run: Run, *names: str) -> list[NodeState]:
    return [(await rig.node(run.id, f"{name}~0")).state for name in names]


async def test_a_subgraph_sees_its_input_and_gives_what_its_last_node_gives() -> None:
    nodes = {
        "fetch": echo("paper"),
        "review": subgraph(
            {"read": echo("<{{ input.what }}>"), "judge": echo("{{ read.output }} of {{ input.who.text }}")},
            input={"what": "{{ fetch.output }}", "who": "{{ input }}"},
        ),
        "tell": echo("{{ review.output }}."),
    }
    rig, run = await play(nodes)
    assert await rig.output(run.id) == "<paper> of hello."
    assert await rig.output_of(run.id, "review.input~0") == {"what": "paper", "who": {"text": "hello"}}
    assert await rig.output_of(run.id, "review.judge~0") == "<paper> of hello"


async def test_a_subgraph_without_an_input_of_its_own_sees_the_whole_one() -> None:
    rig, run = await play({"in": subgraph({"a": echo("{{ input.text }}"), "b": echo("b")})})
    assert await rig.output(run.id) == {"a": "hello", "b": "b"}


async def test_names_in_a_subgraph_are_its_own() -> None:
    inner = {"a": echo("inner"), "b": {"kind": "branch", "cases": {"same": "a.output == 'inner' && input.n == 1"}}}
    nodes = {"a": echo("outer"), "in": subgraph(inner, input={"n": 1}), "end": echo("{{ a.output }} {{ in.output }}")}
    rig, run = await play(nodes)
    assert await rig.output(run.id) == 'outer {"case": "same"}'


async def test_maps_loops_and_joins_work_in_subgraphs_of_subgraphs() -> None:
    loop = {"kind": "loop", "body": echo("{{ index }}"), "until": "index >= input.rounds", "max_rounds": 5}
    inner = subgraph({"each": EACH, "all": {"kind": "join", "after": ["each"]}}, input={"words": "{{ input.words }}"})
    rig, run = await play(
        {"outer": subgraph({"inner": inner, "loop": loop, "end": echo(["{{ inner.output }}", "{{ loop.output }}"])})},
        {"words": ["a", "b", "c"], "rounds": 2},
    )
    assert await rig.output(run.id) == [["a!", "b!", "c!"], 2]
    assert await states(rig, run, "outer.inner.each[1]") == [NodeState.SUCCEEDED]


async def test_a_failure_in_a_subgraph_is_the_subgraphs() -> None:
    rig, run = await play({"in": subgraph({"a": FAILING, "b": echo("{{ a.output }}")}), "end": echo("{{ in.output }}")})
    assert (run.state, run.error and run.error.code) == (RunState.FAILED, "tool_failed")
    assert run.error is not None
    assert run.error.message == "in~0: in.a~0: fail: it broke"
    assert await states(rig, run, "in.b", "in", "end") == [NodeState.SKIPPED, NodeState.FAILED, NodeState.SKIPPED]


@pytest.mark.parametrize("broken", ["a", "each"])
async def test_who_waits_for_the_failure_of_a_subgraph_handles_what_failed_in_it(broken: str) -> None:
    inner = {"a": FAILING} if broken == "a" else {"each": {**EACH, "body": FAILING}, "fine": echo(1)}
    nodes = {"in": subgraph(inner), "plan_b": echo("b", after=["in.failed"]), "end": echo("{{ plan_b.output }}")}
    rig, run = await play(nodes, {"words": ["a", "b"]})
    assert run.state is RunState.SUCCEEDED
    assert await rig.output(run.id) == "b"


async def test_a_failure_that_is_handled_in_the_subgraph_is_none_of_it() -> None:
    inner = {"a": FAILING, "b": echo("b", after=["a.failed"])}
    rig, run = await play({"in": subgraph(inner), "end": echo("{{ in.output }}")})
    assert await rig.output(run.id) == "b"


async def test_a_skipped_subgraph_skips_all_of_it() -> None:
    nodes = {
        "size": {"kind": "branch", "cases": {"big": "input.text == 'big'"}},
        "in": subgraph({"a": echo("a"), "b": echo("b", after=["a"])}, after=["size.big"]),
        "end": echo("{{ in.output }}"),
    }
    rig, run = await play(nodes)
    assert run.state is RunState.SUCCEEDED
    assert set(await states(rig, run, "in.input", "in.a", "in.b", "in", "end")) == {NodeState.SKIPPED}


async def test_an_input_that_cannot_be_made_fails_the_subgraph() -> None:
    nodes = {"in": subgraph({"a": echo("a")}, input="{{ input.nothing }}"), "b": echo("b", after=["in.failed"])}
    rig, run = await play(nodes)
    assert run.state is RunState.SUCCEEDED
    assert await states(rig, run, "in.a", "in", "b") == [NodeState.SKIPPED, NodeState.FAILED, NodeState.SUCCEEDED]


async def test_a_subgraph_that_chose_no_way_gives_nothing() -> None:
    inner = {"size": {"kind": "branch", "cases": {"big": "false"}}, "big": echo("big", after=["size.big"])}
    rig, run = await play({"in": subgraph(inner), "end": echo("<{{ in.output }}>")})
    assert await rig.output(run.id) == "<>"


# Fallbacks.


@pytest.mark.parametrize(
    ("first", "output", "other"), [("echo", "a", NodeState.SKIPPED), ("fail", "b", NodeState.SUCCEEDED)]
)
async def test_a_fallback_answers_for_a_node_that_failed(first: str, output: str, other: NodeState) -> None:
    nodes = {"x": {**echo("a", fallback=echo("b")), "tool": first}, "end": echo("{{ x.output }}")}
    rig, run = await play(nodes)
    assert await rig.output(run.id) == output
    assert await states(rig, run, "x.fallback", "x") == [other, NodeState.SUCCEEDED]


async def test_a_node_fails_when_its_fallback_does() -> None:
    nodes = {"x": {**FAILING, "fallback": FAILING}, "b": echo("b", after=["x.failed"])}
    rig, run = await play(nodes)
    assert await rig.output(run.id) == "b"
    assert (await rig.node(run.id, "x~0")).error is not None


async def test_a_fallback_may_have_a_fallback_and_see_what_its_node_sees() -> None:
    other = echo("{{ y.output }}{{ input.text }}")
    nodes = {"y": echo("y"), "x": {**FAILING, "fallback": {**FAILING, "fallback": other}}}
    rig, run = await play(nodes)
    assert await rig.output(run.id) == "yhello"
    assert await states(rig, run, "x.fallback.main", "x.fallback.fallback") == [NodeState.FAILED, NodeState.SUCCEEDED]


async def test_a_skipped_node_needs_no_fallback() -> None:
    nodes = {"no": {"kind": "branch", "cases": {"way": "false"}}, "x": echo("a", after=["no.way"], fallback=echo("b"))}
    rig, run = await play(nodes)
    assert run.state is RunState.SUCCEEDED
    assert set(await states(rig, run, "x.main", "x.fallback", "x")) == {NodeState.SKIPPED}


@pytest.mark.parametrize(
    "node",
    [
        {"kind": "loop", "body": FAILING, "until": "true"},
        subgraph({"each": {**EACH, "body": FAILING}}),
        subgraph({"a": echo("a"), "b": FAILING}),
    ],
)
async def test_loops_and_subgraphs_have_fallbacks_too(node: dict[str, Any]) -> None:
    rig, run = await play({"x": {**node, "fallback": subgraph({"c": echo("c")})}}, {"words": ["a"]})
    assert await rig.output(run.id) == "c"


async def test_a_node_of_a_subgraph_may_have_a_fallback() -> None:
    rig, run = await play({"in": subgraph({"a": {**FAILING, "fallback": echo("{{ input.text }}")}})})
    assert await rig.output(run.id) == "hello"
