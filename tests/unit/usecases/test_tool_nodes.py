"""A tool's node records its result with its outcome: wherever it dies, its call is made again only if that is safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.decisions import Decision
from shared.domain.ids import ApprovalId, Instance, RunId
from shared.domain.states import NodeState, RunState
from shared.domain.tools import Effect
from shared.domain.usage import Usage
from shared.domain.writes import Write
from shared.ports.conditions import Conditions
from shared.ports.documents import Query
from shared.ports.task_queue import NodeTask
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.nodes.execute_node import execute_node
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from tests.support.engine_rig import ANN, CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.noting_documents import NotingDocuments

ONE = {"one": {"kind": "tool", "tool": "echo", "arguments": {"value": 7}}}
LOOP = {
    "again": {
        "kind": "loop",
        "body": {"kind": "tool", "tool": "echo", "arguments": {"value": {"of": 0}}},
        "until": "1 / output.of > 0",
        "max_rounds": 2,
    }
}


def places(writes: Sequence[Write]) -> list[str]:
    """Where a commit wrote."""
    return [write.path.partition("/nodes/")[2] or write.path for write in writes]


def rig_of(effect: Effect, value: Any = None) -> EngineRig:
    def echo(arguments: Mapping[str, Any]) -> Any:
        return arguments["value"] if value is None else value

    return EngineRig(toolbox=CountingToolbox({"echo": echo}, {"echo": effect}))


async def begin(rig: EngineRig, nodes: Any) -> RunId:
    return (await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}))).run.id


async def journal_of(rig: EngineRig, run_id: RunId, instance: str) -> list[str]:
    return [entry.id for entry in await rig.documents.query(Query(f"runs/{run_id}/nodes/{instance}/journal"))]


@pytest.mark.parametrize(
    ("effect", "intents"), [(Effect.NONE, []), (Effect.IDEMPOTENT, []), (Effect.ONCE, ["0000-call!"])]
)
async def test_a_tool_node_is_claimed_and_ended_and_only_what_happens_once_is_announced(
    effect: Effect, intents: list[str]
) -> None:
    rig = rig_of(effect)
    run_id = await begin(rig, ONE)
    documents = NotingDocuments(rig.documents)
    assert await execute_node(rig.engine(documents), run_id, Instance("one~0")) is Acknowledgement.DONE
    lease = f"leases/{run_id}~one~0~1"
    announced = [[lease, f"one~0/journal/{intent}"] for intent in intents]
    assert [places(writes) for writes in documents.commits] == [
        ["one~0", lease, f"runs/{run_id}"],
        *announced,
        [lease, "one~0"],
    ]
    assert await journal_of(rig, run_id, "one~0") == intents
    node = await rig.node(run_id, "one~0")
    assert (node.state, node.output_json, node.usage) == (NodeState.SUCCEEDED, "7", Usage(tool_calls=1))


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
@pytest.mark.parametrize("at", range(6))
async def test_what_happens_once_happens_once_wherever_its_node_dies(fate: Fate, at: int) -> None:
    rig = rig_of(Effect.ONCE)
    run_id = await begin(rig, ONE)
    await rig.work(None, FailingDocuments(rig.documents, at_commit(at, fate)))
    asked = [approval.fields for approval in await rig.documents.query(Query("approvals"))]
    # Of a process that dies after it announced its call, and before the end, nobody knows whether it called.
    unknown = (fate, at) in {(Fate.DIES_AFTER, 1), (Fate.DIES_BEFORE, 2)}
    assert [approval["kind"] for approval in asked] == ["uncertain"] * unknown
    for approval in asked:
        await decide_approval(rig.core, ANN, ApprovalId(approval["id"]), Decision("answer", answer=7))
    await rig.drain()
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED
    assert await rig.output(run_id) == 7
    assert sum(rig.toolbox.calls.values()) == (0 if (fate, at) == (Fate.DIES_AFTER, 1) else 1)
    assert rig.defects == []


@pytest.mark.parametrize("effect", [Effect.NONE, Effect.ONCE])
async def test_a_call_whose_node_fails_all_the_same_is_recorded_and_not_made_again_by_a_retry(effect: Effect) -> None:
    rig = rig_of(effect)
    first = await begin(rig, LOOP)
    await rig.drain()
    node = await rig.node(first, "again[0]~0")
    assert node.state is NodeState.FAILED
    assert node.usage == Usage(tool_calls=1)
    assert "0000-call" in await journal_of(rig, first, "again[0]~0")
    rig.toolbox.calls.clear()
    second = (await repeat_run(rig.core, RepeatRequest(ANN, first, "retry"))).run.id
    await rig.drain()
    assert (await rig.run(second)).state is RunState.FAILED
    assert not rig.toolbox.calls


class Breaking:
    """Conditions that break once."""

    def __init__(self, inner: Conditions) -> None:
        self._inner = inner
        self._asked = 0

    def holds(self, condition: str, scope: Mapping[str, Any]) -> Any:
        self._asked += 1
        if self._asked == 1:
            raise RuntimeError("it broke")
        return self._inner.holds(condition, scope)


async def test_a_call_whose_node_is_tried_again_is_recorded_and_counted_once() -> None:
    rig = rig_of(Effect.ONCE)
    conditions: Any = Breaking(rig.engine().conditions)
    loop = {**LOOP["again"], "until": "output.of == 0", "retry": {"max_attempts": 2, "initial_seconds": 0}}
    run_id = await begin(rig, {"again": loop})

    async def deliver(task: NodeTask) -> bool:
        engine = replace(rig.engine(), conditions=conditions)
        return await execute_node(engine, task.run_id, task.instance) is Acknowledgement.DONE

    await rig.queue.drain(deliver)
    node = await rig.node(run_id, "again[0]~0")
    assert (node.state, node.attempt, node.usage) == (NodeState.SUCCEEDED, 2, Usage(tool_calls=1))
    assert await journal_of(rig, run_id, "again[0]~0") == ["0000-call", "0000-call!"]
    assert sum(rig.toolbox.calls.values()) == 1
    assert [str(defect) for defect in rig.defects] == ["it broke"]
