"""What bounds a whole run: its time, what it may cost, and the schema of a graph's output."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.definitions import Limits
from shared.domain.errors import FailedPrecondition, LimitReached
from shared.domain.states import NodeState, RunState
from shared.domain.usage import Usage
from shared.usecases.nodes.allowance import Allowance
from tests.support.engine_rig import CountingToolbox, EngineRig
from tests.support.scripted_runner import COST, ScriptedRunner, Step

HANG: dict[str, Any] = {"kind": "tool", "tool": "hang"}
SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


async def _hang(_: Any) -> None:
    await asyncio.Event().wait()


async def play(nodes: dict[str, Any], pause: float = 0, **fields: Any) -> tuple[EngineRig, Any]:
    """A run of the graph to its end; `pause` seconds pass between two tasks."""
    rig = EngineRig(toolbox=CountingToolbox({"echo": lambda args: args["value"], "hang": _hang}))
    started = await rig.start(
        await rig.make_agent(type="graph", graph={"nodes": nodes}, **fields), input={"items": [1, 2, 3, 4]}
    )
    while rig.queue.pending:
        await rig.queue.deliver_next(rig.deliver)
        await rig.clock.advance(pause)
    return rig, await rig.run(started.run.id)


async def test_a_run_ends_when_its_time_is_over_and_is_not_tried_again() -> None:
    rig, run = await play({"slow": HANG}, limits={"seconds": 5})
    assert (run.state, run.error.code) == (RunState.FAILED, "limit_reached")
    assert "5 s" in run.error.message
    assert (await rig.node(run.id, "slow~0")).attempt == 1


async def test_time_counts_from_the_start_of_the_run_over_all_nodes() -> None:
    nodes = {"a": echo(1), "b": echo("{{ a.output }}"), "c": echo("{{ b.output }}")}
    rig, run = await play(nodes, pause=4, limits={"seconds": 6})
    assert (run.state, run.error.code) == (RunState.FAILED, "limit_reached")
    states = [(await rig.node(run.id, f"{name}~0")).state for name in "abc"]
    assert states == [NodeState.SUCCEEDED, NodeState.SUCCEEDED, NodeState.FAILED]
    assert rig.toolbox.calls["c~0 echo call"] == 0


FIRST_NODES: dict[str, dict[str, Any]] = {
    "several": {name: echo(name) for name in "abcde"},
    "items of a map": {"each": {"kind": "map", "over": "{{ input.items }}", "body": echo("{{ item }}")}},
}


@pytest.mark.parametrize("first", FIRST_NODES)
async def test_a_first_node_that_comes_later_does_not_start_the_time_anew(first: str) -> None:
    _, run = await play(FIRST_NODES[first], pause=4, limits={"seconds": 6})
    assert (run.state, run.error.code) == (RunState.FAILED, "limit_reached")


async def test_a_nodes_own_limit_counts_where_it_is_shorter() -> None:
    slow = {**HANG, "timeout_seconds": 1, "retry": {"max_attempts": 1}}
    _, run = await play({"slow": slow}, limits={"seconds": 60})
    assert run.error.code == "deadline_exceeded"


async def test_a_run_within_its_time_succeeds() -> None:
    _, run = await play({"a": echo(1)}, pause=1, limits={"seconds": 60})
    assert run.state is RunState.SUCCEEDED


async def test_a_single_agent_is_stopped_in_the_middle_of_a_response() -> None:
    step = Step(("half an ",), before_end=asyncio.Event().wait)
    rig = EngineRig(runner=ScriptedRunner(lambda _: (step,)))
    started = await rig.start(await rig.make_agent(limits={"seconds": 5}))
    await rig.drain()
    run = await rig.run(started.run.id)
    assert (run.state, run.error and run.error.code) == (RunState.FAILED, "limit_reached")


@pytest.mark.parametrize(
    ("output", "state", "told"),
    [
        ({"sum": 3}, RunState.SUCCEEDED, None),
        ({"sum": "three"}, RunState.FAILED, "output.sum: must be a whole number"),
        ("text", RunState.FAILED, "output: must be a map"),
    ],
)
async def test_a_graphs_output_must_fit_the_definitions_schema(output: Any, state: RunState, told: str | None) -> None:
    _, run = await play({"a": echo(output)}, output_schema=SCHEMA)
    assert run.state is state
    assert (run.error is None) == (told is None)
    if told is not None:
        assert run.error.code == "output_invalid"
        assert told in run.error.message


async def test_no_request_is_begun_when_the_limit_of_cost_is_reached() -> None:
    steps = tuple(Step((f"step {n}",), (("echo", {"value": n}),)) for n in range(9))
    rig = EngineRig(runner=ScriptedRunner(lambda _: steps))
    assert COST.cost_usd_micros == 7
    started = await rig.start(await rig.make_agent(tools=["echo"], limits={"cost_usd_micros": 14}))
    await rig.drain()
    run = await rig.run(started.run.id)
    assert (run.state, run.error and run.error.code) == (RunState.FAILED, "limit_reached")
    assert run.usage.cost_usd_micros == 14


@pytest.mark.parametrize(
    ("used", "error"),
    [
        (Usage(requests=1, cost_usd_micros=1_500_000), LimitReached),
        (Usage(requests=1, cost_usd_micros=None), FailedPrecondition),
    ],
)
def test_an_allowance_names_the_amounts(used: Usage, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"limit of \$1.5 .* \$1.5 are spent" if error is LimitReached else "not known"):
        Allowance(Limits(cost_usd_micros=1_500_000), used).check()
    Allowance(Limits(cost_usd_micros=1_500_001), Usage(cost_usd_micros=1_500_000)).check()
    Allowance(Limits(), Usage(cost_usd_micros=None)).check()
