"""A run that needs a person's word waits with no process alive, and goes on from where it stood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.domain.approvals import Approval, ApprovalKind, ApprovalState
from shared.domain.decisions import Decision
from shared.domain.errors import AlreadyDecided, InvalidArgument, NotFound
from shared.domain.ids import ApprovalId, RunId, Uid
from shared.domain.records import from_json
from shared.domain.runs import Failure
from shared.domain.states import NodeState, RunState
from shared.domain.tools import Effect
from shared.ports.agent_runner import AgentTurn
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.expire_approvals import expire_approvals
from shared.usecases.approvals.get_approval import get_approval
from shared.usecases.approvals.list_approvals import count_pending, list_approvals
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, CountingToolbox, EngineRig
from tests.support.failing_documents import Died
from tests.support.interfering_documents import InterferingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step

BOB = Uid("bob")
WEEK = timedelta(days=7).total_seconds()
APPROVE = Decision("approve")
DENY = Decision("deny", reason="too risky")
GUARDED: list[Any] = ["echo", {"name": "wipe", "requires_approval": True}]
CALLS = (("wipe", {"value": 1}), ("echo", {"value": 2}), ("wipe", {"value": 3}))
STEPS = (Step(("may I?",), CALLS), Step(("done",)))
QUESTION = (Step((), (("ask_human", {"question": "Which one?"}),)), Step(("thanks",)))


def rig(steps: Sequence[Step] = STEPS, *, at_once: bool = True) -> EngineRig:
    return playing(lambda _: steps, at_once=at_once)


def playing(script: Callable[[AgentTurn], Sequence[Step]], *, at_once: bool = True) -> EngineRig:
    def echo(args: Mapping[str, Any]) -> Any:
        return args["value"]

    def wipe(args: Mapping[str, Any]) -> Any:
        return {"wiped": args["value"]}

    return EngineRig(ScriptedRunner(script, calls_at_once=at_once), CountingToolbox({"echo": echo, "wipe": wipe}))


async def waiting(asking: EngineRig, **definition: Any) -> RunId:
    """A run that has come to where it waits."""
    started = await asking.start(await asking.make_agent(**({"tools": GUARDED} | definition)))
    await asking.drain()
    return started.run.id


async def inbox(
    asking: EngineRig, uid: Uid = ANN, state: ApprovalState | None = ApprovalState.PENDING
) -> list[Approval]:
    found = await list_approvals(asking.documents, uid, state, 50, None)
    return sorted(found.items, key=lambda approval: approval.entry)


async def decide(asking: EngineRig, approval: Approval, decision: Decision = APPROVE, by: Uid = ANN) -> Approval:
    return await decide_approval(asking.core, by, approval.id, decision)


@pytest.mark.parametrize("at_once", [True, False])
async def test_calls_that_need_a_persons_word_wait_with_no_process_alive_while_the_others_run(*, at_once: bool) -> None:
    asking = rig(at_once=at_once)
    run_id = await waiting(asking)
    run, node = await asking.run(run_id), await asking.node(run_id, "main~0")
    asked = await inbox(asking)
    assert (run.state, node.state) == (RunState.WAITING, NodeState.WAITING)
    assert [(one.kind, one.tool, from_json(one.arguments_json)) for one in asked] == [
        (ApprovalKind.TOOL_CALL, "wipe", {"value": 1}),
        (ApprovalKind.TOOL_CALL, "wipe", {"value": 3}),
    ]
    assert set(node.waits_for) == {one.id for one in asked}
    assert [key.split()[1] for key in asking.toolbox.calls] == ["echo"]
    assert not [path for path in asking.documents.paths if path.startswith("leases/")]
    assert not asking.queue.pending
    assert await count_pending(asking.documents, ANN) == 2
    assert node.usage == run.usage or node.usage.requests == 1


async def test_the_run_goes_on_when_the_last_answer_is_there_and_repeats_nothing() -> None:
    asking = rig()
    run_id = await waiting(asking)
    first, second = await inbox(asking)
    await asking.clock.advance(timedelta(days=3).total_seconds())
    await decide(asking, second)
    assert await asking.drain() == 0
    assert (await asking.run(run_id)).state is RunState.WAITING
    assert await count_pending(asking.documents, ANN) == 1
    await decide(asking, first)
    assert await count_pending(asking.documents, ANN) == 0
    assert await asking.drain() == 1
    assert await asking.output(run_id) == "done"
    assert sorted(key.split()[1] for key in asking.toolbox.calls) == ["echo", "wipe", "wipe"]
    assert set(asking.toolbox.calls.values()) == {1}
    assert len(asking.runner.requests) == 2
    assert await inbox(asking) == []


async def test_the_log_tells_what_is_asked_and_then_what_came_of_it() -> None:
    asking = rig()
    run_id = await waiting(asking)
    asked = await inbox(asking)
    for approval in asked:
        await decide(asking, approval)
    await asking.drain()
    events = await asking.events((await asking.run(run_id)).session_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["author"] for event in events] == [
        "user",
        "agent",
        "tool",
        "system",
        "system",
        "tool",
        "tool",
        "agent",
    ]
    assert {event["actions"]["approval_id"] for event in events[3:5]} == {approval.id for approval in asked}
    assert events[3]["content"]["approval"]["tool"] == "wipe"


async def test_a_denied_call_is_not_made_and_the_model_reads_why() -> None:
    asking = rig()
    run_id = await waiting(asking)
    first, second = await inbox(asking)
    await decide(asking, first, DENY)
    await decide(asking, second)
    await asking.drain()
    events = await asking.events((await asking.run(run_id)).session_id)
    results = {
        event["content"]["result"]["call_id"]: event["content"]["result"]
        for event in events
        if event["author"] == "tool"
    }
    assert results[first.call_id]["is_error"] is True
    assert "too risky" in results[first.call_id]["content_json"]
    assert results[second.call_id]["is_error"] is False
    assert sum(asking.toolbox.calls.values()) == 2


async def test_a_person_may_change_what_a_tool_is_called_with() -> None:
    asking = rig()
    run_id = await waiting(asking)
    first, second = await inbox(asking)
    decided = await decide(asking, first, Decision("approve", arguments={"value": 99}))
    await decide(asking, second)
    await asking.drain()
    events = await asking.events((await asking.run(run_id)).session_id)
    assert '{"wiped":99}' in [event["content"].get("result", {}).get("content_json") for event in events]
    assert from_json(decided.edited_arguments_json) == {"value": 99}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [({}, "arguments.value"), ({"value": "x"}, "arguments.value"), ({"value": 1, "also": 2}, "arguments.also")],
)
async def test_arguments_that_the_tool_does_not_take_are_refused_and_nothing_is_decided(
    arguments: dict[str, Any], path: str
) -> None:
    asking = rig()
    integer = {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]}
    asking.toolbox.schemas["wipe"] = {**integer, "additionalProperties": False}
    await waiting(asking)
    first, second = await inbox(asking)
    with pytest.raises(InvalidArgument) as refused:
        await decide(asking, first, Decision("approve", arguments=arguments))
    assert (refused.value.message, refused.value.faults[0].path) == ("The arguments do not fit what wipe takes.", path)
    assert await inbox(asking) == [first, second]
    assert (await decide(asking, first, Decision("approve", arguments={"value": 7}))).decided_by == ANN


async def test_an_agent_asks_a_person_and_reads_the_answer() -> None:
    asking = rig(QUESTION)
    run_id = await waiting(asking, tools=["ask_human"])
    (question,) = await inbox(asking)
    assert (question.kind, question.message) == (ApprovalKind.QUESTION, "Which one?")
    await decide(asking, question, Decision("answer", answer="the blue one"))
    await asking.drain()
    events = await asking.events((await asking.run(run_id)).session_id)
    assert events[-2]["content"]["result"]["content_json"] == '"the blue one"'
    assert await asking.output(run_id) == "thanks"


async def test_a_limit_of_time_does_not_count_the_time_in_which_people_think() -> None:
    asking = rig()
    run_id = await waiting(asking, limits={"seconds": 60})
    await asking.clock.advance(3600)
    for approval in await inbox(asking):
        await decide(asking, approval)
    await asking.drain()
    run = await asking.run(run_id)
    assert run.state is RunState.SUCCEEDED
    assert 3600 <= run.waited_seconds < 3660


async def test_what_no_document_can_hold_is_not_asked_and_fails_the_run() -> None:
    long = {"question": "?" * 20_000, "choices": ["x" * 1_000_000]}
    asking = rig((Step((), (("ask_human", long),)), Step(("thanks",))))
    run_id = await waiting(asking, tools=["ask_human"])
    run = await asking.run(run_id)
    assert run.error is not None
    assert (run.state, run.error.code) == (RunState.FAILED, "approval_too_large")
    assert await inbox(asking) == []


async def test_only_those_who_are_asked_see_an_approval_and_answer_it() -> None:
    asking = rig(QUESTION)
    await waiting(asking, tools=[{"name": "ask_human", "config": {"asked": ["bob"]}}])
    (question,) = await inbox(asking, BOB)
    answer = Decision("answer", answer="yes")
    assert await inbox(asking) == []
    assert [await count_pending(asking.documents, uid) for uid in (ANN, BOB)] == [0, 1]
    for read in (
        get_approval(asking.documents, ANN, question.id),
        decide_approval(asking.core, ANN, question.id, answer),
    ):
        with pytest.raises(NotFound):
            await read
    with pytest.raises(NotFound):
        await decide_approval(asking.core, BOB, ApprovalId("missing"), answer)
    assert await get_approval(asking.documents, BOB, question.id) == question
    assert (await decide(asking, question, answer, BOB)).decided_by == BOB


async def test_the_same_decision_again_changes_nothing_and_another_one_comes_too_late() -> None:
    asking = rig()
    run_id = await waiting(asking)
    first, second = await inbox(asking)
    decided = await decide(asking, first, DENY)
    assert await decide(asking, first, DENY) == decided
    for other in (APPROVE, Decision("deny", reason="another reason")):
        with pytest.raises(AlreadyDecided):
            await decide(asking, first, other)
    await decide(asking, second)
    await asking.drain()
    assert await decide(asking, first, DENY) == decided
    assert await asking.drain() == 0
    assert (await asking.run(run_id)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("when", [{"before_read": 1}, {"before_read": 2}, {"before_commit": 1}])
@pytest.mark.parametrize("also", ["another approval", "the same approval"])
async def test_two_who_answer_at_the_same_moment_are_both_heard(also: str, when: dict[str, Any]) -> None:
    asking = rig()
    run_id = await waiting(asking)
    first, second = await inbox(asking)
    other = second if also == "another approval" else first

    async def answer() -> None:
        await decide(asking, other, DENY)

    core = replace(asking.core, documents=InterferingDocuments(asking.documents, answer, **when))
    with nullcontext() if other is second else pytest.raises(AlreadyDecided):
        await decide_approval(core, ANN, first.id, APPROVE)
    if other is first:
        await decide(asking, second)
    await asking.drain()
    assert (await asking.run(run_id)).state is RunState.SUCCEEDED
    assert sum(asking.toolbox.calls.values()) == 2


@pytest.mark.parametrize(
    "decision", [Decision("answer", answer=1), Decision("deny", arguments={"value": 1}, answer="x" * 200_001)]
)
async def test_what_cannot_be_said_to_an_approval_is_refused(decision: Decision) -> None:
    asking = rig()
    await waiting(asking)
    first, _ = await inbox(asking)
    with pytest.raises(InvalidArgument):
        await decide(asking, first, decision)
    assert len(await inbox(asking)) == 2


async def test_when_nobody_answers_in_time_the_default_holds() -> None:
    asking = rig(QUESTION)
    config = {"expires_after_seconds": 60, "default_answer": "whatever"}
    run_id = await waiting(asking, tools=[{"name": "ask_human", "config": config}])
    assert await expire_approvals(asking.core) == 0
    await asking.clock.advance(61)
    assert await expire_approvals(asking.core) == 1
    assert await expire_approvals(asking.core) == 0
    await asking.drain()
    (expired,) = await inbox(asking, state=ApprovalState.EXPIRED)
    assert (expired.decided_by, from_json(expired.answer_json)) == (None, "whatever")
    assert await asking.output(run_id) == "thanks"
    with pytest.raises(AlreadyDecided):
        await decide(asking, expired, Decision("answer", answer="whatever"))


async def test_a_call_that_nobody_allows_in_a_week_is_not_made_and_the_model_reads_why() -> None:
    asking = rig()
    run_id = await waiting(asking)
    await asking.clock.advance(WEEK - 1)
    assert await expire_approvals(asking.core) == 0
    await asking.clock.advance(1)
    assert await expire_approvals(asking.core) == 2
    await asking.drain()
    assert await asking.output(run_id) == "done"
    assert [key.split()[1] for key in asking.toolbox.calls] == ["echo"]
    events = await asking.events((await asking.run(run_id)).session_id)
    results = [event["content"]["result"] for event in events if event["author"] == "tool"]
    refusals = [from_json(result["content_json"]) for result in results if result["is_error"]]
    assert refusals == ["A person did not allow wipe: nobody answered in time"] * 2
    assert [one.decided_by for one in await inbox(asking, state=ApprovalState.EXPIRED)] == [None, None]


async def test_a_question_without_an_answer_of_its_own_that_nobody_answers_in_a_week_is_an_error() -> None:
    asking = rig(QUESTION)
    run_id = await waiting(asking, tools=["ask_human"])
    await asking.clock.advance(WEEK)
    assert await expire_approvals(asking.core) == 1
    await asking.drain()
    events = await asking.events((await asking.run(run_id)).session_id)
    result = events[-2]["content"]["result"]
    assert result["is_error"] is True
    assert from_json(result["content_json"]) == "The question was not answered: nobody answered in time"
    assert await asking.output(run_id) == "thanks"


async def test_the_sweeper_leaves_who_waits_alone_and_wakes_who_was_decided() -> None:
    asking = rig()
    run_id = await waiting(asking)
    for _ in range(3):
        await asking.clock.advance(61)
        assert (await sweep_runs(asking.core, LEASE_SECONDS)).tasks == 0
    assert (await asking.run(run_id)).next_sweep_at is None
    for approval in await inbox(asking):
        await decide(asking, approval)
    asking.queue.pending.clear()  # the task is lost
    await asking.clock.advance(61)
    assert (await sweep_runs(asking.core, LEASE_SECONDS)).tasks == 1
    await asking.drain()
    assert (await asking.run(run_id)).state is RunState.SUCCEEDED


async def test_a_run_that_waits_is_cancelled_at_once() -> None:
    asking = rig()
    run_id = await waiting(asking)
    asked = await inbox(asking)
    assert (await cancel_run(asking.core, ANN, run_id)).state is RunState.CANCELLED
    assert not asking.queue.pending
    run, node = await asking.run(run_id), await asking.node(run_id, "main~0")
    assert (run.state, node.state, node.waits_for) == (RunState.CANCELLED, NodeState.CANCELLED, ())
    assert (node.error, run.error) == (run.error, Failure("cancelled", "the run was cancelled"))
    events = await asking.events(run.session_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[-1]["turn_complete"], events[-1]["error_code"]) == (True, "cancelled")
    assert run.usage.requests == 1
    assert await inbox(asking) == []
    assert len(asking.runner.requests) == 1
    with pytest.raises(AlreadyDecided):
        await decide(asking, asked[0])


async def test_who_decides_just_before_a_run_that_waits_is_cancelled_is_heard_and_the_run_ends_all_the_same() -> None:
    asking = rig()
    run_id = await waiting(asking)
    first, second = await inbox(asking)
    await decide(asking, first)
    documents = InterferingDocuments(asking.documents, partial(decide, asking, second), before_commit=1)
    await cancel_run(replace(asking.core, documents=documents), ANN, run_id)
    await asking.drain()
    run, node = await asking.run(run_id), await asking.node(run_id, "main~0")
    assert (run.state, node.state) == (RunState.CANCELLED, NodeState.CANCELLED)
    assert {one.state for one in await inbox(asking, state=None)} == {ApprovalState.APPROVED}
    assert (len(asking.runner.requests), [key.split()[1] for key in asking.toolbox.calls]) == (1, ["echo"])


async def test_a_run_that_begins_to_wait_while_it_is_cancelled_ends_too() -> None:
    asking = rig()
    started = await asking.start(await asking.make_agent(tools=GUARDED))

    def waits(writes: Sequence[Any]) -> bool:
        return any(write.fields.get("state") == NodeState.WAITING for write in writes if hasattr(write, "fields"))

    # Between the last look of the worker at its lease and the commit by which it waits.
    cancelling = partial(cancel_run, asking.core, ANN, started.run.id)
    asking.documents = InterferingDocuments(asking.documents, cancelling, before=waits)
    await asking.drain()
    assert (await asking.run(started.run.id)).state is RunState.CANCELLED
    assert await inbox(asking) == []


async def test_an_interrupting_message_ends_a_run_that_waits_and_is_answered() -> None:
    asking = playing(lambda turn: STEPS if turn.prompt == "hello" else (Step(("second",)),))
    run_id = await waiting(asking)
    session = (await asking.run(run_id)).session_id
    second = await asking.start(session_id=session, input="stop", if_busy="interrupt")
    await asking.drain()
    assert (await asking.run(run_id)).state is RunState.CANCELLED
    assert await asking.output(second.run.id) == "second"


async def test_a_delegate_waits_with_the_agent_that_asked_it() -> None:
    def script(turn: AgentTurn) -> Sequence[Step]:
        if turn.agent.name.endswith("cleaner"):
            return (Step((), (("wipe", {"value": 7}),)), Step(("clean",)))
        return (Step((), (("ask_cleaner", {"task": "clean up"}), ("echo", {"value": 1}))), Step(("all clean",)))

    asking = playing(script)
    agents = {"cleaner": {"description": "cleans", "tools": [{"name": "wipe", "requires_approval": True}]}}
    run_id = await waiting(asking, type="delegation", agents=agents, tools=["echo"])
    (approval,) = await inbox(asking)
    assert approval.holder == "main~0"
    assert (await asking.node(run_id, approval.instance)).state is NodeState.WAITING
    assert sum(asking.toolbox.calls.values()) == 1
    await decide(asking, approval)
    await asking.drain()
    assert await asking.output(run_id) == "all clean"
    assert (await asking.node(run_id, approval.instance)).state is NodeState.SUCCEEDED
    assert set(asking.toolbox.calls.values()) == {1}
    assert len(asking.runner.requests) == 4


async def test_a_delegate_that_waits_ends_with_a_cancelled_run() -> None:
    def script(turn: AgentTurn) -> Sequence[Step]:
        delegates = turn.agent.name.endswith("cleaner")
        return (Step((), (("wipe" if delegates else "ask_cleaner", {"value": 7, "task": "x"}),)), Step(("end",)))

    asking = playing(script)
    agents = {"cleaner": {"description": "cleans", "tools": [{"name": "wipe", "requires_approval": True}]}}
    run_id = await waiting(asking, type="delegation", agents=agents, tools=[])
    (approval,) = await inbox(asking)
    await cancel_run(asking.core, ANN, run_id)
    await asking.drain()
    assert (await asking.run(run_id)).state is RunState.CANCELLED
    assert (await asking.node(run_id, approval.instance)).state is NodeState.CANCELLED


async def test_an_agent_may_wait_more_often_than_a_node_may_be_attempted() -> None:
    times = 25
    steps = (*(Step((), (("wipe", {"value": n}),)) for n in range(times)), Step(("done",)))
    asking = rig(steps)
    run_id = await waiting(asking)
    for _ in range(times):
        (approval,) = await inbox(asking)
        await decide(asking, approval)
        await asking.drain()
    assert await asking.output(run_id) == "done"
    assert set(asking.toolbox.calls.values()) == {1}


class TestUncertain:
    """A call that must not happen twice, in whose middle a worker died."""

    async def lost(self, died_in: int = 1) -> tuple[EngineRig, RunId]:
        """A run that waits to hear what its lost call came to."""
        asking = rig((Step((), (("wipe", {"value": 1}),)), Step(("done",))))
        asking.toolbox.effects["wipe"] = Effect.ONCE
        made: list[int] = []

        async def wipe(args: Any) -> Any:
            made.append(args["value"])
            if len(made) <= died_in:
                raise Died
            return {"wiped": args["value"]}

        asking.toolbox.tools["wipe"] = wipe
        started = await asking.start(await asking.make_agent(tools=["wipe"]))
        await self.die(asking)
        return asking, started.run.id

    async def die(self, asking: EngineRig) -> None:
        """A worker dies in the tool, and the next one finds an intent without a result."""
        with pytest.raises(Died):
            await asking.drain()
        await asking.clock.advance(LEASE_SECONDS + 1)
        await sweep_runs(asking.core, LEASE_SECONDS)
        await asking.drain()

    async def test_a_person_knows_what_it_came_to(self) -> None:
        asking, run_id = await self.lost()
        (question,) = await inbox(asking)
        assert (question.kind, (await asking.run(run_id)).state) == (ApprovalKind.UNCERTAIN, RunState.WAITING)
        await decide(asking, question, Decision("answer", answer={"wiped": 1}))
        await asking.drain()
        assert await asking.output(run_id) == "done"
        assert sum(asking.toolbox.calls.values()) == 1

    async def test_a_person_knows_that_it_did_not_happen_so_it_is_made_again(self) -> None:
        asking, run_id = await self.lost()
        (question,) = await inbox(asking)
        await decide(asking, question)
        await asking.drain()
        assert await asking.output(run_id) == "done"
        assert sum(asking.toolbox.calls.values()) == 2

    async def test_a_second_loss_is_asked_about_again(self) -> None:
        asking, run_id = await self.lost(died_in=2)
        (first,) = await inbox(asking)
        await decide(asking, first)
        await self.die(asking)
        (second,) = await inbox(asking)
        assert second.id != first.id
        await decide(asking, second)
        await asking.drain()
        assert await asking.output(run_id) == "done"

    @pytest.mark.parametrize("nobody_answers", [False, True])
    async def test_a_person_gives_it_up_or_says_nothing_for_a_week(self, *, nobody_answers: bool) -> None:
        asking, run_id = await self.lost()
        (question,) = await inbox(asking)
        if nobody_answers:
            await asking.clock.advance(WEEK)
            assert await expire_approvals(asking.core) == 1
        else:
            await decide(asking, question, Decision("deny"))
        await asking.drain()
        run = await asking.run(run_id)
        assert run.error is not None
        assert run.error.code == "uncertain_tool_call"
        assert sum(asking.toolbox.calls.values()) == 1
