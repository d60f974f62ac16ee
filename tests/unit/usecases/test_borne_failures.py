"""A join that had enough bears the failures of others that it waited for, whoever of them ended first."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.records import from_json
from shared.domain.states import RunState
from tests.support.engine_rig import CountingToolbox, EngineRig


def tools() -> CountingToolbox:
    def fail(_: Any) -> Any:
        raise ValueError("it broke")

    def pick(arguments: Any) -> Any:
        return fail(None) if arguments["value"] in arguments["failing"] else arguments["value"]

    return CountingToolbox({"echo": lambda args: args["value"], "fail": fail, "pick": pick})


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


FAILING: dict[str, Any] = {"kind": "tool", "tool": "fail"}


def join(*after: str, policy: str = "any", **more: Any) -> dict[str, Any]:
    return {"kind": "join", "after": [*after], "policy": policy, **more}


async def play(nodes: dict[str, Any]) -> tuple[EngineRig, Any]:
    """A run of the graph to its end."""
    rig = EngineRig(toolbox=tools())
    return rig, await rig.play(nodes)


BRANCHES: dict[str, Any] = {"quick": echo("q"), "risky": FAILING, "then": echo("{{ risky.output }}")}


@pytest.mark.parametrize(
    ("nodes", "state", "output"),
    [
        ({"end": join("quick", "risky")}, RunState.SUCCEEDED, ["q"]),
        ({"end": join("quick", "risky", policy="first_success")}, RunState.SUCCEEDED, ["q"]),
        ({"end": join("quick", "risky", policy="quorum", quorum=1)}, RunState.SUCCEEDED, ["q"]),
        ({"end": join("quick", "then")}, RunState.SUCCEEDED, ["q"]),
        ({"end": join("quick", "risky", "then")}, RunState.SUCCEEDED, ["q"]),
        ({"end": join("quick", "risky", policy="all")}, RunState.FAILED, None),
        ({"end": join("quick", "risky", policy="quorum", quorum=2)}, RunState.FAILED, None),
        ({"end": join("risky", "then")}, RunState.FAILED, None),
        ({"end": join("quick", "risky"), "more": join("risky", policy="all")}, RunState.FAILED, None),
    ],
    ids=str,
)
async def test_a_join_that_has_enough_bears_the_failures_that_it_waited_for(
    nodes: dict[str, Any], state: RunState, output: Any
) -> None:
    used = {name for node in nodes.values() for name in node["after"]} | {"risky"}
    branches = {name: node for name, node in BRANCHES.items() if name in used}
    _, run = await play({**branches, **nodes})
    assert run.state is state
    if output is not None:
        assert from_json(run.output_json) == output


@pytest.mark.parametrize(("failing", "state"), [([2], RunState.SUCCEEDED), ([1, 2], RunState.FAILED)])
async def test_a_quorum_of_a_list_bears_the_items_that_fail(failing: list[int], state: RunState) -> None:
    arguments = {"value": "{{ item }}", "failing": failing}
    each = {
        "kind": "map",
        "over": "{{ list.output }}",
        "body": {"kind": "tool", "tool": "pick", "arguments": arguments},
    }
    end = join("each", policy="quorum", quorum=2)
    _, run = await play({"list": echo([1, 2, 3]), "each": each, "end": end})
    assert run.state is state


async def test_a_subgraph_bears_what_a_join_in_it_bears() -> None:
    inner = {
        "quick": echo("q"),
        "risky": FAILING,
        "first": join("quick", "risky"),
    }
    rig, run = await play(
        {"part": {"kind": "subgraph", "graph": {"nodes": inner}}, "end": echo("{{ part.output[0] }}")}
    )
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, "q")


PART = {"kind": "subgraph", "graph": {"nodes": {"one": echo("x"), "two": echo("y", after=["one"])}}}


@pytest.mark.parametrize(
    "part",
    [
        PART,
        {"kind": "map", "over": "{{ quick.output }}", "max_items": 2, "body": PART},
        {"kind": "map", "over": "{{ quick.output }}", "body": echo("x")},
        echo("x", fallback=FAILING),
    ],
    ids=["a subgraph", "a map of graphs", "a map", "a node with a fallback"],
)
async def test_what_is_made_of_nodes_is_skipped_like_any_other_on_the_way_to_the_join(part: dict[str, Any]) -> None:
    nodes = {"quick": echo(["q"]), "risky": FAILING, "part": {**part, "after": ["risky"]}}
    if part["kind"] == "map":
        nodes["part"]["after"] = ["risky", "quick"]
    rig, run = await play({**nodes, "end": join("quick", "part")})
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, [["q"]])


@pytest.mark.parametrize("order", [1, -1])
async def test_it_does_not_matter_which_of_them_ends_first(order: int) -> None:
    rig = EngineRig(toolbox=tools())
    nodes = {
        "quick": echo("q"),
        "risky": FAILING,
        "end": join("quick", "risky"),
    }
    run = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}))).run
    first = sorted(rig.queue.pending, key=lambda task: task.instance)[::order]
    for task in first:
        rig.queue.pending.remove(task)
        await rig.deliver(task)
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED
