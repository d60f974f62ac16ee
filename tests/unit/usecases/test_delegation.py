"""Delegation: sub-agents as tools, their work recorded as child nodes, within one allowance."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat
from typing import Any

import pytest

from shared.domain.definitions import AgentDefinition
from shared.domain.errors import DomainError, FailedPrecondition, ModelUnavailable
from shared.domain.nodes import NodeRun, node_path
from shared.domain.records import parse
from shared.domain.runs import Run
from shared.domain.states import NodeState, RunState
from shared.domain.writes import Create, Update, Write
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import CommitRefused, OutcomeUnknown, Query
from shared.usecases.nodes.execute_node import execute_node
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from tests.support.engine_rig import ANN, LEASE_SECONDS, CountingToolbox, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.scripted_runner import COST, ScriptedRunner, Step

AGENTS: dict[str, Any] = {
    "finder": {"description": "finds things", "tools": ["echo"]},
    "writer": {"description": "writes", "agents": {"critic": {"description": "judges"}}},
}


def script(turn: AgentTurn) -> Sequence[Step]:
    match turn.agent.name.rpartition(".")[2]:
        case "finder":
            return (Step((), (("echo", {"value": turn.prompt}),)), Step((f"found {turn.prompt}",)))
        case "writer":
            return (Step((), (("ask_critic", {"task": "judge it"}),)), Step(("written",)))
        case "critic":
            return (Step(("good",)),)
        case _:
            asks = (("ask_finder", {"task": "a"}), ("ask_finder", {"task": "b"}), ("ask_writer", {"task": "w"}))
            return (Step(("I ask",), asks), Step(("all done",)))


def failing(who: str, error: type[DomainError], times: int | None = None) -> Callable[[AgentTurn], Sequence[Step]]:
    """As `script`, but the model of one agent fails: each time, or so many times."""
    left = repeat(error) if times is None else repeat(error, times)

    def play(turn: AgentTurn) -> Sequence[Step]:
        if turn.agent.name.endswith(who) and (raised := next(left, None)):
            raise raised("the model refused")
        return script(turn)

    return play


def rig() -> EngineRig:
    return EngineRig(ScriptedRunner(script, calls_at_once=True), CountingToolbox({"echo": lambda args: args["value"]}))


async def start(rig_: EngineRig, **definition: Any) -> Any:
    return (await rig_.start(await rig_.make_agent(type="delegation", agents=AGENTS, **definition))).run


async def nodes_of(rig_: EngineRig, run: Any) -> list[NodeRun]:
    found = await rig_.documents.query(Query(f"runs/{run.id}/nodes"))
    return [parse(NodeRun, node.fields) for node in found]


async def test_sub_agents_are_tools_and_their_work_is_recorded_as_child_nodes() -> None:
    asking = rig()
    run = await start(asking)
    await asking.drain()
    assert await asking.output(run.id) == "all done"
    assert [spec.name for spec in asking.runner.turns[0].tools] == ["ask_finder", "ask_writer"]
    nodes = {node.node: node for node in await nodes_of(asking, run)}
    children = {name: node.parent for name, node in nodes.items() if node.parent}
    assert len(children) == 4
    assert {node.item for node in nodes.values() if node.parent} == {"finder", "writer", "critic"}
    assert all(node.state is NodeState.SUCCEEDED for node in nodes.values())
    critic = next(node for node in nodes.values() if node.item == "critic")
    assert critic.parent is not None
    assert ".writer." in critic.parent
    assert (await asking.run(run.id)).shape == "delegation"


@pytest.mark.parametrize("budget", [{}, {"parallel_nodes": 1}], ids=["no limit", "one place"])
async def test_delegates_asked_in_one_response_are_at_work_at_once_in_their_askers_place(
    budget: dict[str, int],
) -> None:
    asking = rig()
    most, now = 0, 0

    async def think() -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asking.clock.sleep(1)
        now -= 1

    def thinking(turn: AgentTurn) -> Sequence[Step]:
        return (Step(("found",), before_end=think),) if turn.agent.name.endswith("finder") else script(turn)

    asking.runner.script = thinking
    run = await start(asking, budget=budget)
    await asking.drain()
    assert await asking.output(run.id) == "all done"
    assert most == 2


async def test_what_delegates_consume_is_counted_once_in_the_run() -> None:
    asking = rig()
    run = await start(asking)
    await asking.drain()
    usage = (await asking.run(run.id)).usage
    assert usage.requests == len(asking.runner.requests) == 9
    assert usage.cost_usd_micros == 9 * (COST.cost_usd_micros or 0)
    assert usage.tool_calls == 6


async def test_all_share_one_allowance() -> None:
    asking = rig()
    run = await start(asking, limits={"requests": 3})
    await asking.drain()
    ended = await asking.run(run.id)
    assert len(asking.runner.requests) == 3
    assert ended.error is not None
    assert ended.error.code == "limit_reached"


async def test_those_who_ask_at_the_same_time_do_not_cross_the_limit_together() -> None:
    asking = rig()
    begun, all_begun = 0, asyncio.Event()

    async def wait_for_the_others() -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            all_begun.set()
        await all_begun.wait()

    def thinking(turn: AgentTurn) -> Sequence[Step]:
        if turn.agent.name.endswith("finder"):
            return (Step(("found",), before_end=wait_for_the_others),)
        return (Step((), tuple(("ask_finder", {"task": str(number)}) for number in range(6))), Step(("all done",)))

    asking.runner.script = thinking
    run = await start(asking, limits={"requests": 3})
    await asking.drain()
    ended = await asking.run(run.id)
    assert ended.error is not None
    assert (ended.error.code, len(asking.runner.requests), ended.usage.requests) == ("limit_reached", 3, 3)
    states = [node.state for node in await nodes_of(asking, run) if node.parent is not None]
    assert sorted(states) == [NodeState.FAILED] * 4 + [NodeState.SUCCEEDED] * 2


@pytest.mark.parametrize(("most", "made"), [(5, 5), (6, 6)])
async def test_the_calls_of_delegates_count_too(most: int, made: int) -> None:
    """The asker asks three; two of them call a tool, and one a delegate of its own: six calls."""
    asking = rig()
    run = await start(asking, limits={"tool_calls": most})
    await asking.drain()
    ended = await asking.run(run.id)
    failed = [node for node in await nodes_of(asking, run) if node.state is NodeState.FAILED]
    assert (ended.usage.tool_calls, len(failed)) == (made, 6 - made)
    assert {node.error.code for node in failed if node.error is not None} <= {"limit_reached"}


async def test_a_request_that_came_to_nothing_takes_nothing_of_the_limit() -> None:
    asking = rig()

    def refuse() -> None:
        raise FailedPrecondition("the model refused")

    def refused(turn: AgentTurn) -> Sequence[Step]:
        return (Step(("I",), before_end=refuse),) if turn.agent.name.endswith("finder") else script(turn)

    asking.runner.script = refused
    run = await start(asking, limits={"requests": 4})  # of the asker two, of the writer two, and none is left
    await asking.drain()
    ended = await asking.run(run.id)
    assert ended.error is not None
    assert (ended.error.code, ended.usage.requests) == ("limit_reached", 4)
    again = await start(asking, name="again", limits={"requests": 5})
    await asking.drain()
    assert ((await asking.run(again.id)).state, (await asking.run(again.id)).usage.requests) == (RunState.SUCCEEDED, 5)


async def test_a_delegates_failure_is_a_message_to_the_agent_that_asked() -> None:
    asking = rig()
    asking.runner.script = failing("finder", FailedPrecondition)
    run = await start(asking)
    await asking.drain()
    assert await asking.output(run.id) == "all done"
    results = [event["content"]["result"] for event in await asking.events(run.session_id) if event["author"] == "tool"]
    assert [result["is_error"] for result in results].count(True) == 2
    assert any("the model refused" in result["content_json"] for result in results)


async def test_a_delegate_whose_model_is_down_is_tried_again_from_its_journal() -> None:
    asking = rig()
    asking.runner.script = failing("critic", ModelUnavailable, times=1)
    run = await start(asking)
    while asking.queue.pending:
        await asking.queue.deliver_next(asking.deliver)
        await asking.clock.advance(3)
    assert await asking.output(run.id) == "all done"
    assert [prompt for prompt, step in asking.runner.requests if step == 0].count("hello") == 1
    assert all(count == 1 for count in asking.toolbox.calls.values())


async def test_a_delegate_that_is_taken_up_by_a_commit_given_up_and_applied_later_stays_ended() -> None:
    asking = rig()

    class Late(ForwardingDocuments):
        """The first commit that takes the writer up is applied when the writer has ended."""

        held: Any = None

        async def commit(self, writes: Any) -> Any:
            taken = [w for w in writes if isinstance(w, Update) and re.search(r"/nodes/main\.writer\.[^/.]+$", w.path)]
            if taken and self.held is None and taken[0].fields.get("attempt") == 2:
                self.held = writes
                raise OutcomeUnknown("no reply")
            committed = await super().commit(writes)
            if taken and taken[0].fields["state"] == NodeState.SUCCEEDED and self.held:
                with suppress(CommitRefused):
                    await super().commit(self.held)
            return committed

    asking.runner.script = failing("writer", ModelUnavailable, times=1)
    run = await start(asking)
    late = Late(asking.documents)
    while asking.queue.pending:
        await asking.queue.deliver_next(partial(asking.deliver, documents=late))
        await asking.clock.advance(3)
    assert late.held is not None
    assert await asking.output(run.id) == "all done"
    assert {node.state for node in await nodes_of(asking, run)} == {NodeState.SUCCEEDED}


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_a_delegate_said_is_not_asked_again_when_its_asker_stops_before_it_hears(*, refuses: bool) -> None:
    asking = rig()
    asking.runner.script = failing("critic", FailedPrecondition) if refuses else script
    run = await start(asking)

    class Dying(ForwardingDocuments):
        async def commit(self, writes: Any) -> Any:
            if any(write.path.endswith("main.writer.0000-call-0-2~0/journal/0000-call-0-0") for write in writes):
                raise Died
            return await super().commit(writes)

    documents = Dying(asking.documents)
    with pytest.raises(Died):
        await asking.deliver(asking.queue.accepted[0], documents)
    before = len(asking.runner.turns)
    await asking.clock.advance(LEASE_SECONDS + 1)
    await asking.drain()
    assert await asking.output(run.id) == "all done"
    assert [turn for turn in asking.runner.turns[before:] if turn.agent.name.endswith("critic")] == []


@pytest.mark.parametrize("taken_over", [False, True])
async def test_what_delegates_consumed_counts_and_they_end_when_their_asker_is_cancelled(*, taken_over: bool) -> None:
    """The writer has asked the critic, who is speaking; the writer's question is recorded, the critic's text is not."""
    asking = rig()
    speaking = asyncio.Event()

    async def hang() -> None:
        speaking.set()
        await asyncio.Event().wait()

    def hanging(turn: AgentTurn) -> Sequence[Step]:
        return (Step(("well",), before_end=hang),) if turn.agent.name.endswith("critic") else script(turn)

    asking.runner.script = hanging
    run = await start(asking)
    working = asyncio.ensure_future(execute_node(asking.engine(), run.id, asking.queue.accepted[0].instance))
    while not speaking.is_set():
        await asking.clock.advance(0.1)
    await asking.clock.advance(1)
    critic = next(node for node in await nodes_of(asking, run) if node.item == "critic")
    assert critic.state is NodeState.RUNNING
    assert ".writer." in (critic.parent or "")
    segments = await asking.documents.query(Query(f"{node_path(run.id, critic.instance)}/segments"))
    assert [segment.fields["text"] for segment in segments] == ["well"]
    if taken_over:
        working.cancel()
        await asking.clock.advance(LEASE_SECONDS + 1)
    await cancel_run(asking.core, ANN, run.id)
    while not working.done():
        await asking.clock.advance(1)
    await asking.drain()
    states = [node.state for node in await nodes_of(asking, run) if node.item in {"writer", "critic"}]
    assert states == [NodeState.CANCELLED] * 2
    assert (await asking.run(run.id)).usage.requests == len(asking.runner.requests) - 1 == 6


def what_becomes_of_the_critic(writes: Sequence[Write]) -> str | None:
    about = [write for write in writes if re.fullmatch(r"runs/\w+/nodes/main\.writer[^/]*critic[^/]*", write.path)]
    return None if not about else "created" if isinstance(about[0], Create) else "closed"


async def cancelled_while(late: str) -> tuple[EngineRig, Run, NodeRun]:
    """A run that was cancelled while its critic was being `created` or `closed`, and the critic."""
    asking = EngineRig(ScriptedRunner(script), CountingToolbox({"echo": lambda args: args["value"]}))
    run = await start(asking)

    class Slow(ForwardingDocuments):
        """The commit that creates or closes the critic is on its way while its asker hears of the cancelling."""

        async def commit(self, writes: Any) -> Any:
            if what_becomes_of_the_critic(writes) == late:
                return await asyncio.shield(asyncio.ensure_future(self._apply_late(writes)))
            return await super().commit(writes)

        async def _apply_late(self, writes: Any) -> Any:
            await cancel_run(asking.core, ANN, run.id)
            await asking.clock.sleep(12)
            return await super().commit(writes)

    await asking.deliver(asking.queue.accepted[0], Slow(asking.documents))
    critic = next(node for node in await nodes_of(asking, run) if node.item == "critic")
    return asking, await asking.run(run.id), critic


@pytest.mark.parametrize(("late", "ends"), [("created", NodeState.CANCELLED), ("closed", NodeState.SUCCEEDED)])
async def test_a_delegate_that_is_being_stored_when_its_asker_is_cancelled_ends_once(
    late: str, ends: NodeState
) -> None:
    asking, run, critic = await cancelled_while(late)
    assert critic.state is ends
    assert run.state is RunState.CANCELLED
    assert run.usage.requests == len(asking.runner.requests)


@pytest.mark.parametrize(("late", "ends"), [("created", NodeState.CANCELLED), ("closed", NodeState.SUCCEEDED)])
async def test_a_delegate_whose_storing_was_given_up_when_its_asker_was_cancelled_and_comes_late_ends_once(
    late: str, ends: NodeState
) -> None:
    asking = EngineRig(ScriptedRunner(script), CountingToolbox({"echo": lambda args: args["value"]}))
    run = await start(asking)

    class GivenUp(ForwardingDocuments):
        """What creates or closes the critic is given up, and arrives just before the next commit."""

        arriving: Any = None

        async def commit(self, writes: Any) -> Any:
            if self.arriving is not None:
                arriving, self.arriving = self.arriving, None
                await super().commit(arriving)
            if what_becomes_of_the_critic(writes) == late:
                await cancel_run(asking.core, ANN, run.id)
                await asking.clock.sleep(12)
                self.arriving = writes
                raise OutcomeUnknown("no reply in time")
            return await super().commit(writes)

    await asking.deliver(asking.queue.accepted[0], GivenUp(asking.documents))
    await asking.drain()
    states = {node.item: node.state for node in await nodes_of(asking, run)}
    assert (states["critic"], states["writer"]) == (ends, NodeState.CANCELLED)
    ended = await asking.run(run.id)
    assert ended.state is RunState.CANCELLED
    assert ended.usage.requests == len(asking.runner.requests)


async def test_a_retry_asks_no_delegate_again_that_answered_before_its_asker_could_hear_of_it() -> None:
    asking, run, _ = await cancelled_while("closed")
    before = len(asking.runner.turns)
    again = (await repeat_run(asking.core, RepeatRequest(ANN, run.id, "retry"))).run
    await asking.drain()
    assert await asking.output(again.id) == "all done"
    resumed = asking.runner.turns[before:]
    assert [turn.agent.name for turn in resumed if turn.agent.name.endswith("critic")] == []
    assert (await asking.run(again.id)).usage.requests == len(asking.runner.requests) - run.usage.requests


async def test_cancelling_stops_the_delegates_too() -> None:
    asking = rig()
    running = asyncio.Event()

    async def hang() -> None:
        running.set()
        await asyncio.Event().wait()

    def hanging(turn: AgentTurn) -> Sequence[Step]:
        if turn.agent.name.endswith("critic"):
            return (Step(("well",), before_end=hang),)
        return script(turn)

    asking.runner.script = hanging
    run = await start(asking)
    draining = asyncio.ensure_future(asking.drain())
    await running.wait()
    await cancel_run(asking.core, ANN, run.id)
    await asking.clock.advance(6)
    await draining
    assert (await asking.run(run.id)).state is RunState.CANCELLED
    states = {node.item: node.state for node in await nodes_of(asking, run)}
    assert (states["critic"], states["writer"]) == (NodeState.CANCELLED, NodeState.CANCELLED)


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_repeats_no_recorded_step_of_any_delegate(fate: Fate) -> None:
    for at in range(40):
        broken = rig()
        run = await start(broken)

        try:
            await broken.queue.deliver_next(
                partial(broken.deliver, documents=FailingDocuments(broken.documents, at_commit(at, fate)))
            )
        except Died:
            await broken.clock.advance(60)
        await broken.drain()
        assert await broken.output(run.id) == "all done"
        # Three delegates may have been in the middle of a model call each when the process died.
        assert len(broken.runner.requests) - 9 <= (3 if fate in {Fate.DIES_BEFORE, Fate.DIES_AFTER} else 0)
        events = await broken.events(run.session_id)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert all(node.state is NodeState.SUCCEEDED for node in await nodes_of(broken, run))


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "delegation"},
        {"type": "single", "agents": AGENTS},
        {
            "type": "delegation",
            "agents": {
                "a": {
                    "description": "a",
                    "agents": {
                        "b": {
                            "description": "b",
                            "agents": {"c": {"description": "c", "agents": {"d": {"description": "d"}}}},
                        }
                    },
                }
            },
        },
    ],
)
def test_delegation_without_agents_and_too_deep_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="agents"):
        AgentDefinition.model_validate({"name": "x", "model": "local:scripted", **definition})
