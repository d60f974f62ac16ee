"""Graphs that wait for a person's word: at an approval, before a tool, for an answer."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.approvals import Approval, ApprovalKind, ApprovalState
from shared.domain.decisions import Decision
from shared.domain.definition_faults import inspect_definition
from shared.domain.errors import AlreadyDecided, NotFound
from shared.domain.ids import RunId, Uid
from shared.domain.runs import Failure
from shared.domain.states import NodeState, RunState
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.expire_approvals import expire_approvals
from shared.usecases.approvals.list_approvals import list_approvals
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


GATE: dict[str, Any] = {"kind": "approval", "message": "Send {{ draft.output }}?"}
NODES = {"draft": echo("the letter"), "gate": GATE, "send": echo("sent", after=["gate"])}
UNANSWERED = (None, Failure("denied", "gate~0: a person said no: nobody answered in time"))
APPROVE, DENY = Decision("approve"), Decision("deny", reason="not yet")


async def waiting(rig: EngineRig, nodes: dict[str, Any]) -> RunId:
    started = await rig.start(await rig.make_agent(type="graph", graph={"nodes": nodes}))
    await rig.drain()
    return started.run.id


async def inbox(rig: EngineRig) -> list[Approval]:
    return list((await list_approvals(rig.documents, ANN, ApprovalState.PENDING, 50, None)).items)


async def decide(rig: EngineRig, decision: Decision) -> None:
    for approval in await inbox(rig):
        await decide_approval(rig.core, ANN, approval.id, decision)
    await rig.drain()


async def states(rig: EngineRig, run_id: RunId, *names: str) -> list[NodeState]:
    return [(await rig.node(run_id, f"{name}~0")).state for name in names]


async def test_a_graph_waits_at_an_approval_and_goes_on_with_a_yes() -> None:
    rig = EngineRig()
    run_id = await waiting(rig, NODES)
    (asked,) = await inbox(rig)
    assert (asked.kind, asked.message, asked.tool) == (ApprovalKind.NODE, "Send the letter?", None)
    assert await states(rig, run_id, "draft", "gate") == [NodeState.SUCCEEDED, NodeState.WAITING]
    await decide(rig, APPROVE)
    assert await rig.output(run_id) == "sent"
    assert await rig.output_of(run_id, "gate~0") == {"approved": True, "reason": None}


async def test_only_those_whom_a_node_asks_may_answer() -> None:
    rig, bob = EngineRig(), Uid("bob")
    run_id = await waiting(rig, {**NODES, "gate": {**GATE, "asked": ["bob"]}})
    (asked,) = (await list_approvals(rig.documents, bob, ApprovalState.PENDING, 50, None)).items
    assert await inbox(rig) == []
    with pytest.raises(NotFound):
        await decide_approval(rig.core, ANN, asked.id, APPROVE)
    assert await states(rig, run_id, "gate") == [NodeState.WAITING]
    await decide_approval(rig.core, bob, asked.id, APPROVE)
    await rig.drain()
    assert await rig.output(run_id) == "sent"


async def test_a_no_fails_the_run_and_says_why() -> None:
    rig = EngineRig()
    run_id = await waiting(rig, NODES)
    await decide(rig, DENY)
    run = await rig.run(run_id)
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("denied", "gate~0: a person said no: not yet")
    assert await states(rig, run_id, "gate", "send") == [NodeState.FAILED, NodeState.SKIPPED]


@pytest.mark.parametrize(("decision", "output"), [(APPROVE, {"send": "sent"}), (DENY, {"rework": "not yet"})])
async def test_a_graph_may_go_on_elsewhere_after_a_no(decision: Decision, output: dict[str, str]) -> None:
    rig = EngineRig()
    rework = echo("{{ gate.output.reason }}", after=["gate.denied"])
    run_id = await waiting(rig, {**NODES, "rework": rework})
    await decide(rig, decision)
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED
    assert await rig.output(run_id) == output


@pytest.mark.parametrize(
    ("terms", "seconds", "outcome"),
    [
        ({}, 7 * 24 * 3600, UNANSWERED),
        ({"expires_after_seconds": 60}, 60, UNANSWERED),
        ({"expires_after_seconds": 60, "default": "deny"}, 60, UNANSWERED),
        ({"expires_after_seconds": 60, "default": "approve"}, 60, ("sent", None)),
    ],
)
async def test_when_nobody_answers_the_default_holds_which_is_no(
    terms: dict[str, Any], seconds: float, outcome: tuple[str | None, Failure | None]
) -> None:
    rig = EngineRig()
    run_id = await waiting(rig, {**NODES, "gate": {**GATE, **terms}})
    await rig.clock.advance(seconds - 1)
    assert await expire_approvals(rig.core) == 0
    await rig.clock.advance(1)
    assert await expire_approvals(rig.core) == 1
    await rig.drain()
    assert (await rig.output(run_id), (await rig.run(run_id)).error) == outcome


async def test_a_tool_and_a_question_of_a_graph_wait_too_in_each_item_of_a_map() -> None:
    rig = EngineRig()
    question = {"kind": "tool", "tool": "ask_human", "arguments": {"question": "Name {{ item }}?"}}
    nodes = {
        "list": echo(["a", "b"]),
        "each": {"kind": "map", "over": "{{ list.output }}", "body": question},
        "wipe": echo("wiped", requires_approval=True),
        "all": {"kind": "join", "after": ["each", "wipe"]},
    }
    run_id = await waiting(rig, nodes)
    asked = await inbox(rig)
    assert {one.message for one in asked} == {"Name a?", "Name b?", "May echo be called?"}
    for one in asked:
        answer = Decision("answer", answer=one.message[5].upper()) if one.kind is ApprovalKind.QUESTION else APPROVE
        await decide_approval(rig.core, ANN, one.id, answer)
    await rig.drain()
    assert await rig.output(run_id) == ["A", "B", "wiped"]


@pytest.mark.parametrize("place", ["node", "map", "loop"])
async def test_a_node_calls_a_tool_that_the_definition_marks_only_after_a_yes(place: str) -> None:
    rig = EngineRig()
    around: dict[str, dict[str, Any]] = {
        "node": echo("wiped"),
        "map": {"kind": "map", "over": "{{ input.items }}", "body": echo("wiped")},
        "loop": {"kind": "loop", "until": "true", "body": echo("wiped")},
    }
    marked = [{"name": "echo", "requires_approval": True}]
    agent = await rig.make_agent(type="graph", tools=marked, graph={"nodes": {"wipe": around[place]}})
    started = await rig.start(agent, input={"items": ["one"]})
    await rig.drain()
    (asked,) = await inbox(rig)
    assert (asked.kind, asked.tool, sum(rig.toolbox.calls.values())) == (ApprovalKind.TOOL_CALL, "echo", 0)
    await decide(rig, APPROVE)
    assert sum(rig.toolbox.calls.values()) == 1
    assert await rig.output(started.run.id) == (["wiped"] if place == "map" else "wiped")


@pytest.mark.parametrize(("nobody_answers", "reason"), [(False, "not yet"), (True, "nobody answered in time")])
async def test_a_nodes_tool_that_nobody_allows_fails_the_node_and_is_not_called(
    reason: str, *, nobody_answers: bool
) -> None:
    rig = EngineRig()
    run_id = await waiting(rig, {"wipe": echo("wiped", requires_approval=True)})
    if nobody_answers:
        await rig.clock.advance(7 * 24 * 3600)
        assert await expire_approvals(rig.core) == 1
        await rig.drain()
    else:
        await decide(rig, DENY)
    assert await states(rig, run_id, "wipe") == [NodeState.FAILED]
    run = await rig.run(run_id)
    assert run.error is not None
    assert reason in run.error.message
    assert sum(rig.toolbox.calls.values()) == 0


async def test_no_tool_of_a_server_passes_for_a_question_to_a_person() -> None:
    rig = EngineRig()
    rig.toolbox.tools["ask_boss"] = lambda _: "yes"
    started = await rig.start(await rig.make_agent(tools=["ask_boss"]))
    await rig.drain()
    run = await rig.run(started.run.id)
    assert run.error is not None
    assert run.error.message == "a tool would be called ask_boss, as only those are that ask an agent or a person"


async def test_cancelling_ends_every_node_that_waits_at_once() -> None:
    rig = EngineRig()
    run_id = await waiting(rig, {**NODES, "other": {"kind": "approval", "message": "And this?"}})
    assert len(await inbox(rig)) == 2
    await cancel_run(rig.core, ANN, run_id)
    await rig.drain()
    assert (await rig.run(run_id)).state is RunState.CANCELLED
    assert await states(rig, run_id, "gate", "other") == [NodeState.CANCELLED] * 2
    assert await inbox(rig) == []


async def test_a_run_that_ends_without_an_answer_withdraws_the_question() -> None:
    rig = EngineRig()
    either = {"kind": "join", "policy": "any", "after": ["quick", "gate"]}
    run_id = await waiting(rig, {"quick": echo("here"), "gate": {"kind": "approval", "message": "?"}, "out": either})
    run = await rig.run(run_id)
    assert run.state is RunState.SUCCEEDED
    withdrawn = (await list_approvals(rig.documents, ANN, ApprovalState.WITHDRAWN, 10, None)).items
    assert [one.holder for one in withdrawn] == ["gate~0"]
    assert await states(rig, run_id, "gate") == [NodeState.CANCELLED]
    with pytest.raises(AlreadyDecided):
        await decide_approval(rig.core, ANN, withdrawn[0].id, APPROVE)


async def test_the_sweeper_looks_seldom_at_a_graph_that_only_waits() -> None:
    rig = EngineRig()
    run_id = await waiting(rig, NODES)
    looks = 0
    for _ in range(60):
        await rig.clock.advance(61)
        swept = await sweep_runs(rig.core, LEASE_SECONDS)
        assert swept.tasks == 0
        looks += swept.runs
    assert looks <= 7
    await decide(rig, APPROVE)
    assert (await rig.run(run_id)).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("nodes", "faulty"),
    [
        ({"gate": {"kind": "approval", "message": "{{ nothing.output }}"}}, "graph.nodes.gate.message"),
        ({"gate": GATE, "draft": echo(1), "x": echo(1, after=["gate.refused"])}, "graph.nodes.x.after.0"),
    ],
)
def test_what_an_approval_refers_to_must_exist(nodes: dict[str, Any], faulty: str) -> None:
    definition = {"name": "a", "model": "local:scripted", "type": "graph", "graph": {"nodes": nodes}}
    assert faulty in {fault.path for fault in inspect_definition(definition)[1]}
