"""What steers a graph: branches, join policies, loops, handled failures, time limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.ids import share_of
from shared.domain.states import NodeState, RunState
from tests.support.engine_rig import CountingToolbox, EngineRig


async def _hang(_: Any) -> None:
    await asyncio.Event().wait()


def tools() -> CountingToolbox:
    def fail(_: Any) -> Any:
        raise ValueError("it broke")

    return CountingToolbox(
        {
            "echo": lambda args: args["value"],
            "grow": lambda args: (args["value"] or 0) + 3,
            "fail": fail,
            "hang": _hang,
        }
    )


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


FAILING: dict[str, Any] = {"kind": "tool", "tool": "fail"}


async def play(nodes: dict[str, Any]) -> tuple[EngineRig, Any]:
    """A run of the graph to its end."""
    rig = EngineRig(toolbox=tools())
    return rig, await rig.play(nodes)


async def states(rig: EngineRig, run: Any, *names: str) -> list[NodeState]:
    return [(await rig.node(run.id, f"{name}~0")).state for name in names]


@pytest.mark.parametrize(("value", "taken"), [(1, "small"), (50, "medium"), (500, "otherwise")])
async def test_a_branch_runs_the_first_case_that_holds_and_skips_the_others(value: int, taken: str) -> None:
    cases = {"small": "start.output < 10", "medium": "start.output < 100"}
    rig, run = await play(
        {
            "start": echo(value),
            "size": {"kind": "branch", "cases": cases},
            **{f"on_{case}": echo(case, after=[f"size.{case}"]) for case in ("small", "medium", "otherwise")},
            "end": {"kind": "join", "after": ["on_small", "on_medium", "on_otherwise"], "policy": "any"},
        }
    )
    assert run.state is RunState.SUCCEEDED
    assert await rig.output(run.id) == [taken]
    for case in ("small", "medium", "otherwise"):
        expected = NodeState.SUCCEEDED if case == taken else NodeState.SKIPPED
        assert await states(rig, run, f"on_{case}") == [expected]


@pytest.mark.parametrize(
    ("join", "state", "output"),
    [
        ({"policy": "all"}, NodeState.SKIPPED, None),
        ({"policy": "any"}, NodeState.SUCCEEDED, None),
        ({"policy": "first_success"}, NodeState.SUCCEEDED, None),
        ({"policy": "quorum", "quorum": 2}, NodeState.SUCCEEDED, ["a", "b"]),
        ({"policy": "quorum", "quorum": 3}, NodeState.SKIPPED, None),
    ],
)
async def test_a_join_fires_when_enough_have_succeeded(join: Any, state: NodeState, output: Any) -> None:
    rig, run = await play(
        {"a": echo("a"), "b": echo("b"), "c": FAILING, "end": {"kind": "join", "after": ["a", "b", "c"], **join}}
    )
    node = await rig.node(run.id, "end~0")
    assert node.state is state
    if output is not None:
        assert await rig.output_of(run.id, "end~0") == output


@pytest.mark.parametrize(
    ("join", "fires_after"),
    [
        ({"policy": "any"}, 1),
        ({"policy": "first_success"}, 1),
        ({"policy": "quorum", "quorum": 2}, 2),
        ({"policy": "quorum", "quorum": 3}, 3),
        ({"policy": "all"}, 4),
    ],
)
async def test_a_join_waits_for_no_more_than_it_needs(join: dict[str, Any], fires_after: int) -> None:
    names = ["a", "b", "c", "d"]
    end = {"kind": "join", "after": names, **join}
    rig = EngineRig(toolbox=tools())
    graph = {"nodes": {**{name: echo(name) for name in names}, "end": end}}
    run = (await rig.start(await rig.make_agent(type="graph", graph=graph))).run
    ended = 0
    while not (firing := [task for task in rig.queue.pending if task.instance == "end~0"]):
        await rig.queue.deliver_next(rig.deliver)
        ended += 1
    assert ended == fires_after
    await rig.deliver(firing[0])
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED
    assert await rig.output(run.id) == names[:fires_after]


@pytest.mark.parametrize(
    "many",
    [
        {f"n{n}": echo(n) for n in range(60)},
        {"each": {"kind": "map", "over": "{{ input.items }}", "body": echo("{{ item }}")}},
    ],
    ids=["nodes", "items"],
)
async def test_a_quorum_hears_of_each_of_many_at_once(many: dict[str, Any]) -> None:
    rig = EngineRig(toolbox=tools())
    end = {"kind": "join", "policy": "quorum", "quorum": 3, "after": list(many)}
    agent = await rig.make_agent(type="graph", graph={"nodes": {**many, "end": end}})
    await rig.start(agent, input={"items": list(range(60))})
    while not any(task.instance == "end~0" for task in rig.queue.pending):
        await rig.queue.deliver_next(rig.deliver)
    assert sum(rig.toolbox.calls.values()) == 3


@pytest.mark.parametrize("items", [[1, 2], [1], []])
async def test_a_quorum_of_more_than_a_list_has_items_is_all_of_them(items: list[int]) -> None:
    each = {"kind": "map", "over": "{{ list.output }}", "body": echo("{{ item }}")}
    end = {"kind": "join", "policy": "quorum", "quorum": 3, "after": ["each"]}
    rig, run = await play({"list": echo(items), "each": each, "end": end})
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, items)


async def test_a_quorum_does_not_wait_for_a_person_whose_word_it_does_not_need() -> None:
    gate = {"kind": "approval", "message": "?"}
    end = {"kind": "join", "policy": "quorum", "quorum": 2, "after": ["a", "b", "gate"]}
    rig, run = await play({"a": echo("a"), "b": echo("b"), "gate": gate, "end": end})
    assert run.state is RunState.SUCCEEDED
    assert await rig.output(run.id) == ["a", "b"]
    assert await states(rig, run, "gate") == [NodeState.CANCELLED]


async def test_a_loop_goes_on_until_its_condition_holds() -> None:
    body = {"kind": "tool", "tool": "grow", "arguments": {"value": "{{ item }}"}}
    rig, run = await play(
        {"loop": {"kind": "loop", "body": body, "until": "output >= 10"}, "end": echo("{{ loop.output }}")}
    )
    assert await rig.output(run.id) == 12
    assert len([call for call in rig.toolbox.calls if "grow" in call]) == 4


async def test_a_loop_ends_after_its_rounds() -> None:
    body = {"kind": "tool", "tool": "grow", "arguments": {"value": "{{ item }}"}}
    rig, run = await play({"loop": {"kind": "loop", "body": body, "until": "false", "max_rounds": 3}})
    assert await rig.output(run.id) == 9


async def test_a_round_that_fails_ends_the_loop() -> None:
    rig, run = await play(
        {"loop": {"kind": "loop", "body": FAILING, "until": "false"}, "end": echo("{{ loop.output }}")}
    )
    assert run.state is RunState.FAILED
    assert await states(rig, run, "end") == [NodeState.SKIPPED]


async def test_a_handled_failure_does_not_fail_the_run() -> None:
    rig, run = await play(
        {
            "risky": FAILING,
            "plan_b": echo("b", after=["risky.failed"]),
            "end": {"kind": "join", "after": ["risky", "plan_b"], "policy": "any"},
        }
    )
    assert run.state is RunState.SUCCEEDED
    assert await rig.output(run.id) == ["b"]


async def test_a_node_that_comes_after_the_end_of_its_run_leaves_it_ended() -> None:
    rig = EngineRig(toolbox=tools())
    nodes = {"a": echo("a"), "b": echo("b"), "end": {"kind": "join", "after": ["a", "b"], "policy": "any"}}
    started = await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}))
    late = next(task for task in rig.queue.pending if task.instance == "b~0")
    rig.queue.pending.remove(late)
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED
    await rig.deliver(late)
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED
    assert not [path for path in rig.documents.paths if path.startswith("leases/")]


async def test_a_map_without_items_has_not_failed() -> None:
    each = {"kind": "map", "over": "{{ list.output }}", "body": echo("{{ item }}")}
    rig, run = await play({"list": echo([]), "each": each, "plan_b": echo("b", after=["each.failed"])})
    assert run.state is RunState.SUCCEEDED
    assert await states(rig, run, "plan_b") == [NodeState.SKIPPED]


async def test_what_waits_for_a_failure_is_skipped_when_there_is_none() -> None:
    rig, run = await play({"fine": echo(1), "plan_b": echo(2, after=["fine.failed"])})
    assert run.state is RunState.SUCCEEDED
    assert await states(rig, run, "plan_b") == [NodeState.SKIPPED]


async def test_a_node_that_takes_too_long_fails_after_its_tries() -> None:
    slow = {"kind": "tool", "tool": "hang", "timeout_seconds": 5, "retry": {"max_attempts": 2, "initial_seconds": 1}}
    rig, run = await play({"slow": slow})
    assert (run.state, run.error.code) == (RunState.FAILED, "deadline_exceeded")
    assert (await rig.node(run.id, "slow~0")).attempt == 2


@pytest.mark.parametrize("jitter", [0, 0.2])
async def test_a_node_rests_longer_after_each_failure_and_no_longer_than_the_most(jitter: float) -> None:
    retry = {"max_attempts": 5, "initial_seconds": 2, "factor": 3, "max_seconds": 20, "jitter": jitter}
    slow = {"kind": "tool", "tool": "hang", "timeout_seconds": 1, "retry": retry}
    rig = EngineRig(toolbox=tools())
    run = (await rig.start(await rig.make_agent(type="graph", graph={"nodes": {"slow": slow}}))).run
    shares: set[float] = set()
    for attempt, back_off in enumerate((2, 6, 18, 20), start=1):
        await rig.queue.deliver_next(rig.deliver)
        node = await rig.node(run.id, "slow~0")
        assert (node.state, node.attempt) == (NodeState.READY, attempt)
        assert node.not_before is not None
        rest = (node.not_before - rig.clock.now()).total_seconds()
        share = share_of(node.token)
        assert rest == pytest.approx(back_off * (1 + jitter * share), abs=0.02)  # a delivery ends at a hundredth
        shares.add(share)
        await rig.clock.advance(rest + 0.01)
    assert len(shares) == 4


@pytest.mark.parametrize(("named", "attempts"), [("model_unavailable", 1), ("deadline_exceeded", 5)])
async def test_only_the_named_errors_are_tried_again(named: str, attempts: int) -> None:
    retry = {"max_attempts": 5, "on": [named]}
    rig, run = await play({"slow": {"kind": "tool", "tool": "hang", "timeout_seconds": 1, "retry": retry}})
    assert run.state is RunState.FAILED
    assert (await rig.node(run.id, "slow~0")).attempt == attempts


async def test_a_condition_that_cannot_be_evaluated_fails_the_node_clearly() -> None:
    _, run = await play({"start": echo("text"), "size": {"kind": "branch", "cases": {"small": "start.output < 10"}}})
    assert run.state is RunState.FAILED
    assert "start.output < 10" in run.error.message


async def test_a_condition_that_divides_by_nothing_fails_the_node_and_is_no_defect() -> None:
    rig, run = await play({"start": echo(0), "size": {"kind": "branch", "cases": {"small": "1 / start.output > 0"}}})
    assert (run.state, run.error.code, rig.defects) == (RunState.FAILED, "failed_precondition", [])


async def test_a_list_with_more_items_than_a_map_takes_fails_it() -> None:
    each = {"kind": "map", "over": "{{ list.output }}", "body": echo("{{ item }}"), "max_items": 2}
    rig, run = await play({"list": echo([1, 2, 3]), "each": each})
    assert run.error.message == "each~0: the list has 3 items, and the map takes at most 2"
    assert not [call for call in rig.toolbox.calls if "each" in call]
