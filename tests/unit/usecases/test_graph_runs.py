"""A run of a graph: branches in parallel, maps, joins, and how failures pass through them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import Unavailable
from shared.domain.ids import AgentId, Instance
from shared.domain.states import NodeState, RunState
from shared.ports.documents import OutcomeUnknown, Query, Snapshot
from shared.ports.task_queue import NodeTask
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, CountingToolbox, EngineRig
from tests.support.forwarding_documents import ForwardingDocuments


def tools() -> CountingToolbox:
    def fail(_: Any) -> Any:
        raise ValueError("it broke")

    return CountingToolbox(
        {
            "echo": lambda args: args["value"],
            "numbers": lambda args: list(range(args["count"])),
            "double": lambda args: args["value"] * 2,
            "fail": fail,
        }
    )


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


def fan_out(count: int) -> dict[str, Any]:
    double = {"kind": "tool", "tool": "double", "arguments": {"value": "{{ item }}"}}
    return {
        "list": {"kind": "tool", "tool": "numbers", "arguments": {"count": count}},
        "each": {"kind": "map", "over": "{{ list.output }}", "body": double},
        "all": {"kind": "join", "after": ["each"]},
    }


async def make_graph(rig: EngineRig, nodes: dict[str, Any]) -> AgentId:
    return await rig.make_agent(type="graph", graph={"nodes": nodes})


async def test_a_chain_hands_outputs_on() -> None:
    rig = EngineRig(toolbox=tools())
    nodes = {"a": echo("{{ input.text }}"), "b": echo("<{{ a.output }}>"), "c": echo("{{ b.output }}!")}
    started = await rig.start(await make_graph(rig, nodes))
    await rig.drain()
    assert await rig.output(started.run.id) == "<hello>!"
    events = await rig.events(started.run.session_id)
    assert [event["content"]["text"] for event in events] == ["hello", "<hello>!"]


async def test_branches_meet_in_a_join() -> None:
    rig = EngineRig(toolbox=tools())
    nodes = {
        "start": echo("s"),
        "left": echo("{{ start.output }}l"),
        "right": echo("{{ start.output }}r"),
        "meet": {"kind": "join", "after": ["left", "right"], "reducer": "text"},
    }
    started = await rig.start(await make_graph(rig, nodes))
    await rig.drain()
    assert await rig.output(started.run.id) == "sl\n\nsr"
    assert all(count == 1 for count in rig.toolbox.calls.values())


@pytest.mark.parametrize("count", [0, 1, 3, 50, 51, 130])
async def test_a_map_runs_its_body_once_for_each_item(count: int) -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(count)))
    await rig.drain()
    assert await rig.output(started.run.id) == [number * 2 for number in range(count)]
    assert len(rig.toolbox.calls) == count + 1
    assert all(calls == 1 for calls in rig.toolbox.calls.values())


async def test_a_map_among_many_branches_does_not_keep_a_join_waiting() -> None:
    rig = EngineRig(toolbox=tools())
    branches = {f"b{number}": echo(number) for number in range(60)}
    nodes = fan_out(2) | branches | {"all": {"kind": "join", "after": ["each", *branches]}}
    started = await rig.start(await make_graph(rig, nodes))
    await rig.drain()
    assert await rig.output(started.run.id) == [0, 2, *range(60)]


async def test_several_last_nodes_give_their_outputs_by_name() -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, {"a": echo(1), "b": echo([2])}))
    await rig.drain()
    assert await rig.output(started.run.id) == {"a": 1, "b": [2]}


async def test_a_failed_node_skips_what_needs_it_and_fails_the_run_after_the_rest_has_ended() -> None:
    rig = EngineRig(toolbox=tools())
    nodes = {
        "bad": {"kind": "tool", "tool": "fail"},
        "next": echo("{{ bad.output }}"),
        "good": echo("fine"),
        "meet": {"kind": "join", "after": ["next", "good"]},
    }
    started = await rig.start(await make_graph(rig, nodes))
    await rig.drain()
    run = await rig.run(started.run.id)
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("tool_failed", "bad~0: fail: it broke")
    states = [(await rig.node(run.id, f"{name}~0")).state for name in nodes]
    assert states == [NodeState.FAILED, NodeState.SKIPPED, NodeState.SUCCEEDED, NodeState.SKIPPED]


async def test_a_map_over_something_else_than_a_list_fails_clearly() -> None:
    rig = EngineRig(toolbox=tools())
    nodes = {"each": {"kind": "map", "over": "{{ input.text }}", "body": echo("{{ item }}")}}
    started = await rig.start(await make_graph(rig, nodes))
    await rig.drain()
    run = await rig.run(started.run.id)
    assert run.error is not None
    assert run.error.message.endswith("is text")
    assert "must yield a list" in run.error.message


async def test_a_cancelled_graph_starts_no_further_node_and_reaches_cancelled() -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(5)))
    await rig.queue.deliver_next(rig.deliver)
    await cancel_run(rig.core, ANN, started.run.id)
    await rig.drain()
    run = await rig.run(started.run.id)
    assert run.state is RunState.CANCELLED
    assert len(rig.toolbox.calls) == 1
    assert run.usage.tool_calls == 1


async def test_a_task_delivered_again_after_the_end_changes_nothing() -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(3)))
    await rig.drain()
    before = {path: (await rig.documents.get(path)).fields for path in rig.documents.paths}
    for task in list(rig.queue.accepted):
        rig.queue.redeliver(task)
    await rig.drain()
    assert {path: (await rig.documents.get(path)).fields for path in rig.documents.paths} == before
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED


async def test_the_sweeper_finds_every_lost_wake_up() -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(60)))
    for _ in range(500):
        if (await rig.run(started.run.id)).state is RunState.SUCCEEDED:
            break
        if rig.queue.pending and len(rig.queue.accepted) % 3:
            rig.queue.lose_next()
        while rig.queue.pending:
            await rig.queue.deliver_next(rig.deliver)
        await rig.clock.advance(61)
        await sweep_runs(rig.core, LEASE_SECONDS)
    assert await rig.output(started.run.id) == [number * 2 for number in range(60)]
    assert all(calls == 1 for calls in rig.toolbox.calls.values())


async def test_a_shard_whose_sums_meet_contention_does_not_wait_for_the_sweeper() -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(60)))
    aborted: list[str] = []

    class Contended(ForwardingDocuments):
        async def commit(self, writes: Any) -> Any:
            marker = next((write.path for write in writes if write.path.endswith(".done")), None)
            if marker is not None and marker not in aborted:
                aborted.append(marker)
                raise OutcomeUnknown("aborted")
            return await super().commit(writes)

    documents = Contended(rig.documents)
    await rig.queue.drain(lambda task: rig.deliver(task, documents))
    assert len(aborted) > 1
    assert await rig.output(started.run.id) == [number * 2 for number in range(60)]


@pytest.mark.parametrize("instance", ["nothing~0", "all~7", "each[99]~0"])
async def test_a_task_about_nothing_is_dropped(instance: str) -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(1)))
    await rig.drain()
    assert await rig.deliver(NodeTask(started.run.id, Instance(instance), "ready"))


async def test_a_task_that_comes_too_early_leaves_no_trace() -> None:
    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, fan_out(1)))
    before = rig.documents.paths
    assert await rig.deliver(NodeTask(started.run.id, Instance("all~0"), "ready"))
    assert rig.documents.paths == before
    await rig.drain()
    assert await rig.output(started.run.id) == [0]


async def test_a_run_whose_nodes_cannot_be_read_for_a_while_ends_as_they_did_and_with_what_they_consumed() -> None:
    class Away(ForwardingDocuments):
        """Does not answer who reads all nodes of a run: its end does."""

        left = 6

        async def query(self, query: Query) -> list[Snapshot]:
            if query.collection.endswith("/nodes") and self.left:
                self.left -= 1
                raise Unavailable("the document store does not answer")
            return await super().query(query)

    rig = EngineRig(toolbox=tools())
    started = await rig.start(await make_graph(rig, {"a": echo("x"), "b": echo("y")}))
    documents = Away(rig.documents)
    while (await rig.run(started.run.id)).completed_at is None:
        await rig.queue.deliver_next(lambda task: rig.deliver(task, documents))
        await rig.clock.advance(60)
    run = await rig.run(started.run.id)
    assert documents.left == 0
    assert (run.state, run.usage.tool_calls) == (RunState.SUCCEEDED, 2)
