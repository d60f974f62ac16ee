"""Processes die between any two effects, replies are lost, commits are aborted: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.states import RunState
from shared.domain.tools import Effect
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.nodes.execute_node import execute_node
from tests.support.engine_rig import LEASE_SECONDS, CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.noting_documents import NotingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step

STEPS = (
    Step(("I will ", "look"), (("echo", {"value": "a"}), ("echo", {"value": "b"}))),
    Step(("so it ", "is"), (("echo", {"value": "c"}),)),
    Step(("the end",)),
)
GRAPH = {
    "list": {"kind": "tool", "tool": "echo", "arguments": {"value": [1, 2, 3]}},
    "each": {
        "kind": "map",
        "over": "{{ list.output }}",
        "body": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ item }}"}},
    },
    "side": {"kind": "tool", "tool": "echo", "arguments": {"value": "side"}},
    "all": {"kind": "join", "after": ["each", "side"]},
}
PARTS = {
    "in": {"kind": "subgraph", "input": {"say": "side"}, "graph": {"nodes": GRAPH}},
    "plan": {"kind": "tool", "tool": "fail", "fallback": {"kind": "tool", "tool": "echo", "arguments": {"value": "b"}}},
    "end": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ in.output }}"}, "after": ["plan"]},
}
DEFINITIONS = {
    "single": {"tools": ["echo"]},
    "graph": {"type": "graph", "graph": {"nodes": GRAPH}},
    "graph in a graph": {"type": "graph", "graph": {"nodes": PARTS}},
}


def rig() -> EngineRig:
    def fail(_: Any) -> Any:
        raise ValueError("it broke")

    return EngineRig(
        ScriptedRunner(lambda _: STEPS), CountingToolbox({"echo": lambda args: args["value"], "fail": fail})
    )


async def check(rig_: EngineRig, run_id: Any, shape: str) -> None:
    run = await rig_.run(run_id)
    events = await rig_.events(run.session_id)
    assert run.state is RunState.SUCCEEDED
    assert await rig_.output(run_id) == ("the end" if shape == "single" else [1, 2, 3, "side"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["turn_complete"] for event in events] == [False] * (len(events) - 1) + [True]
    assert not [path for path in rig_.documents.paths if path.startswith("leases/")]
    assert rig_.defects == []


async def commits_of(shape: str) -> int:
    counting = rig()
    started = await counting.start(await counting.make_agent(**DEFINITIONS[shape]))
    documents = FailingDocuments(counting.documents)
    await counting.work(started.run.id, documents)
    await check(counting, started.run.id, shape)
    return documents.commits


@pytest.mark.parametrize("shape", DEFINITIONS)
@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_leaves_one_outcome_and_repeats_no_recorded_step(shape: str, fate: Fate) -> None:
    for at in range(await commits_of(shape)):
        broken = rig()
        started = await broken.start(await broken.make_agent(**DEFINITIONS[shape]))
        await broken.work(started.run.id, FailingDocuments(broken.documents, at_commit(at, fate)))
        await check(broken, started.run.id, shape)
        repeated = sum(count - 1 for count in broken.toolbox.calls.values())
        again = len(broken.runner.requests) - (len(STEPS) if shape == "single" else 0)
        # What was in flight when the process died may run again, once; nothing that was recorded does.
        assert repeated + again <= (1 if fate in {Fate.DIES_BEFORE, Fate.DIES_AFTER} else 0), f"commit {at}"


async def test_a_call_with_an_effect_that_may_have_happened_is_not_made_again() -> None:
    broken = rig()
    broken.toolbox.effects["echo"] = Effect.ONCE
    started = await broken.start(await broken.make_agent(tools=["echo"]))
    seen: list[int] = []

    def fate(n: int) -> Fate:
        seen.append(n)
        return Fate.DIES_BEFORE if sum(broken.toolbox.calls.values()) == 1 else Fate.APPLIED

    await broken.work(None, FailingDocuments(broken.documents, fate))
    assert (await broken.run(started.run.id)).state is RunState.WAITING
    assert set(broken.toolbox.calls.values()) == {1}


async def test_a_late_writer_is_refused() -> None:
    stale = rig()
    started = await stale.start(await stale.make_agent(tools=["echo"]))
    successors: list[asyncio.Task[bool]] = []

    class Stalling(NotingDocuments):
        """Stalls past its lease before its third commit, while another worker finishes the run."""

        async def commit(self, writes: Any) -> Any:
            if len(self.commits) == 2 and not successors:
                stale.clock.jump(LEASE_SECONDS + 1)
                successors.append(asyncio.ensure_future(stale.deliver(stale.queue.accepted[0])))
                await asyncio.shield(successors[0])
            return await super().commit(writes)

    task = stale.queue.pending.popleft()
    documents = Stalling(stale.documents)
    acknowledged = await execute_node(stale.engine(documents), task.run_id, task.instance)
    assert acknowledged is Acknowledgement.BUSY
    assert await successors[0]
    await check(stale, started.run.id, "single")


@pytest.mark.parametrize(("stalls_after", "asked"), [("main~0~1", 0), ("journal/0000", 1)])
async def test_a_holder_that_was_silent_for_too_long_asks_no_model_and_calls_no_tool(
    stalls_after: str, asked: int
) -> None:
    stale = rig()
    started = await stale.start(await stale.make_agent(tools=["echo"]))

    class Stalling(ForwardingDocuments):
        async def commit(self, writes: Any) -> Any:
            committed = await super().commit(writes)
            if any(write.path.endswith(stalls_after) for write in writes[1:]):
                stale.clock.jump(LEASE_SECONDS + 1)
            return committed

    documents = Stalling(stale.documents)
    task = stale.queue.accepted[0]
    assert await execute_node(stale.engine(documents), task.run_id, task.instance) is Acknowledgement.BUSY
    assert (len(stale.runner.requests), sum(stale.toolbox.calls.values())) == (asked, 0)
    await stale.work(started.run.id, None)
    await check(stale, started.run.id, "single")
