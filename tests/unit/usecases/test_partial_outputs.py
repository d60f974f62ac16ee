"""What a node had said stays in its document where it failed, was cancelled or waits: its live text expires."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.decisions import Decision
from shared.domain.errors import DomainError, FailedPrecondition, ModelUnavailable
from shared.domain.ids import ApprovalId
from shared.domain.large_values import INLINE_BYTES, SHOWN_CHARACTERS
from shared.domain.states import NodeState
from shared.ports.agent_runner import AgentTurn
from shared.usecases.approvals.decide_approval import decide_approval
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import ScriptedRunner, Step

ECHO = (("echo", {"value": "a"}),)
SAID = "let me look\n\nit is"
GRAPH = {"type": "graph", "tools": ["echo"], "graph": {"nodes": {"say": {"kind": "agent", "prompt": "hello"}}}}
HELPED = {"type": "delegation", "agents": {"helper": {"description": "helps", "tools": ["echo"]}}}


def breaking(error: DomainError, text: str = "it is") -> tuple[Step, ...]:
    """Says something, calls a tool, and breaks off while it says more."""

    def fail() -> None:
        raise error

    return Step(("let me ", "look"), ECHO), Step((text,), before_end=fail)


async def broken(error: DomainError, definition: dict[str, Any], text: str = "it is") -> tuple[EngineRig, Any]:
    rig = EngineRig(ScriptedRunner(lambda _: breaking(error, text)))
    run = (await rig.start(await rig.make_agent(**definition))).run
    await rig.work(run.id)
    return rig, run.id


@pytest.mark.parametrize(("definition", "name"), [({"tools": ["echo"]}, "main~0"), (GRAPH, "say~0")])
@pytest.mark.parametrize("error", [FailedPrecondition("it broke"), ModelUnavailable("it is down")])
async def test_a_node_that_fails_keeps_what_it_said_in_all_its_steps_and_once(
    error: DomainError, definition: dict[str, Any], name: str
) -> None:
    rig, run_id = await broken(error, definition)
    node = await rig.node(run_id, name)
    assert (node.state, node.text) == (NodeState.FAILED, SAID)
    assert (node.attempt > 1) == isinstance(error, ModelUnavailable)


async def test_a_delegate_that_fails_keeps_what_it_said_and_who_goes_on_has_nothing_of_the_kind() -> None:
    def script(turn: AgentTurn) -> tuple[Step, ...]:
        asks = Step(("I ask",), (("ask_helper", {"task": "look"}),))
        return (asks, Step(("done",))) if turn.agent.delegates else breaking(FailedPrecondition("it broke"))

    rig = EngineRig(ScriptedRunner(script))
    run = (await rig.start(await rig.make_agent(**HELPED))).run
    await rig.work(run.id)
    helper, main = [await rig.node(run.id, name) for name in ("main.helper.0000-call-0-0~0", "main~0")]
    assert (helper.state, helper.text) == (NodeState.FAILED, SAID)
    assert (main.state, main.text) == (NodeState.SUCCEEDED, None)


async def test_what_is_too_large_is_cut_with_a_mark() -> None:
    rig, run_id = await broken(FailedPrecondition("it broke"), GRAPH, "x" * INLINE_BYTES)
    text = (await rig.node(run_id, "say~0")).text
    assert text is not None
    assert text.startswith("let me look\n\nxxx")
    assert text.endswith(" characters more")
    assert len(text) < SHOWN_CHARACTERS + 100


async def test_a_node_that_waits_shows_what_it_said_and_one_that_succeeds_its_output_alone() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: (Step(("may I?",), ECHO), Step(("thank you",)))))
    run = (await rig.start(await rig.make_agent(tools=[{"name": "echo", "requires_approval": True}]))).run
    await rig.drain()
    node = await rig.node(run.id, "main~0")
    assert (node.state, node.text) == (NodeState.WAITING, "may I?")
    await decide_approval(rig.core, ANN, ApprovalId(node.waits_for[0]), Decision("approve"))
    await rig.drain()
    node = await rig.node(run.id, "main~0")
    assert (node.state, node.text) == (NodeState.SUCCEEDED, None)
    assert await rig.output_of(run.id, "main~0") == "thank you"
