"""A run of a single agent: one node, its steps, its events, its session."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.artifacts import MAX_ARTIFACT_BYTES
from shared.domain.errors import (
    IdempotencyKeyReused,
    InvalidArgument,
    ModelUnavailable,
    NotFound,
    SessionBusy,
    Unavailable,
)
from shared.domain.ids import AgentId, RunId, SessionId, Uid
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn
from shared.ports.task_queue import NodeTask
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.start_run import RunRequest, start_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, CountingToolbox, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.interfering_documents import InterferingDocuments
from tests.support.scripted_runner import COST, ScriptedRunner, Step


def contiguous(events: list[dict[str, object]]) -> bool:
    return [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def test_a_run_ends_with_the_agents_answer_in_the_log() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent())
    await rig.drain()
    run = await rig.run(started.run.id)
    events = await rig.events(run.session_id)
    assert run.state is RunState.SUCCEEDED
    assert await rig.output(run.id) == "echo: hello"
    assert run.usage == COST
    assert [(event["author"], event["content"]["text"]) for event in events] == [
        ("user", "hello"),
        ("agent", "echo: hello"),
    ]
    assert [event["turn_complete"] for event in events] == [False, True]
    assert contiguous(events)
    assert rig.defects == []


async def test_tool_calls_and_their_results_are_events_in_order() -> None:
    steps = (Step(("let me see",), (("echo", {"value": 1}), ("echo", {"value": 2}))), Step(("done",)))
    rig = EngineRig(ScriptedRunner(lambda _: steps))
    started = await rig.start(await rig.make_agent(tools=["echo"]))
    await rig.drain()
    events = await rig.events(started.run.session_id)
    assert [event["author"] for event in events] == ["user", "agent", "tool", "tool", "agent"]
    assert events[1]["content"]["calls"][0]["name"] == "echo"
    assert events[3]["content"]["result"]["content_json"] == "2"
    assert contiguous(events)
    assert (await rig.run(started.run.id)).usage.tool_calls == 2


async def test_a_second_turn_continues_with_the_history_of_the_first() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent())
    await rig.drain()
    second = await rig.start(session_id=first.run.session_id, input="and now?")
    await rig.drain()
    assert rig.runner.turns[1].history == ("request 0", "response 0")
    assert second.run.session_id == first.run.session_id
    events = await rig.events(first.run.session_id)
    assert [event["run_id"] for event in events] == [first.run.id] * 2 + [second.run.id] * 2
    assert contiguous(events)


async def test_the_same_key_and_request_give_the_same_run() -> None:
    rig = EngineRig()
    agent = await rig.make_agent()
    first = await rig.start(agent, idempotency_key="k")
    again = await rig.start(agent, idempotency_key="k")
    assert (again.run.id, again.created) == (first.run.id, False)
    assert len(rig.queue.accepted) == 1
    with pytest.raises(IdempotencyKeyReused):
        await rig.start(agent, idempotency_key="k", input="something else")


async def test_a_key_enqueues_again_what_could_not_be_enqueued() -> None:
    rig = EngineRig()
    agent = await rig.make_agent()
    rig.queue.fail_next()
    with pytest.raises(Exception, match="queue"):
        await rig.start(agent, idempotency_key="k")
    started = await rig.start(agent, idempotency_key="k")
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        ({"agent_id": AgentId("nobody")}, NotFound),
        ({"session_id": SessionId("nowhere")}, NotFound),
        ({}, InvalidArgument),
        ({"input": "  "}, InvalidArgument),
        ({"input": 3}, InvalidArgument),
        ({"input": "x" * 200_001}, InvalidArgument),
    ],
)
async def test_what_cannot_run_is_refused(request_: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await EngineRig().start(**request_)


async def test_another_persons_agent_and_session_are_not_found() -> None:
    rig = EngineRig()
    agent = await rig.make_agent()
    started = await rig.start(agent)
    references: list[dict[str, Any]] = [{"agent_id": agent}, {"session_id": started.run.session_id}]
    for foreign in references:
        with pytest.raises(NotFound):
            await rig.start(**foreign, caller=Uid("bob"))
    with pytest.raises(NotFound):
        await cancel_run(rig.core, Uid("bob"), started.run.id)


async def test_a_busy_session_refuses_a_second_message_by_default() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent())
    with pytest.raises(SessionBusy, match=first.run.id):
        await rig.start(session_id=first.run.session_id)


async def test_waiting_messages_run_in_order_and_enter_the_log_when_they_start() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent(), input="one")
    session = first.run.session_id
    await rig.start(session_id=session, input="two", if_busy="enqueue")
    await rig.start(session_id=session, input="three", if_busy="enqueue")
    await rig.drain()
    texts = [event["content"]["text"] for event in await rig.events(session)]
    assert texts == ["one", "echo: one", "two", "echo: two", "three", "echo: three"]
    assert contiguous(await rig.events(session))


async def test_an_interrupting_message_cancels_the_active_run_and_comes_next() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent(), input="one")
    session = first.run.session_id
    await rig.start(session_id=session, input="two", if_busy="enqueue")
    await rig.start(session_id=session, input="now", if_busy="interrupt")
    await rig.drain()
    assert (await rig.run(first.run.id)).state is RunState.CANCELLED
    users = [event["content"]["text"] for event in await rig.events(session) if event["author"] == "user"]
    assert users == ["one", "now", "two"]


async def test_an_interruption_that_was_lost_on_the_way_is_made_up_for_by_the_same_key() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent(), input="one")
    request: dict[str, Any] = {
        "session_id": first.run.session_id,
        "input": "now",
        "if_busy": "interrupt",
        "idempotency_key": "k",
    }
    documents = FailingDocuments(rig.documents, at_commit(0, Fate.DIES_AFTER))
    with pytest.raises(Died):
        await start_run(rig.engine(documents).core, RunRequest(caller=ANN, **request))
    assert not (await rig.run(first.run.id)).cancel_requested
    again = await rig.start(**request)
    assert (await rig.run(first.run.id)).cancel_requested
    await rig.drain()
    assert (await rig.run(again.run.id)).state is RunState.SUCCEEDED


async def test_a_run_cancelled_before_it_starts_asks_no_model() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent())
    await cancel_run(rig.core, ANN, started.run.id)
    await rig.drain()
    run = await rig.run(started.run.id)
    assert run.state is RunState.CANCELLED
    assert rig.runner.requests == []
    assert (await rig.events(run.session_id))[-1]["error_code"] == "cancelled"


async def test_a_waiting_run_is_cancelled_at_once() -> None:
    rig = EngineRig()
    first = await rig.start(await rig.make_agent())
    second = await rig.start(session_id=first.run.session_id, if_busy="enqueue")
    assert (await cancel_run(rig.core, ANN, second.run.id)).state is RunState.CANCELLED
    await rig.drain()
    assert len(await rig.events(first.run.session_id)) == 2


async def test_cancelling_in_the_middle_keeps_what_was_said() -> None:
    rig = EngineRig()
    running = asyncio.Event()

    async def hang() -> None:
        running.set()
        await asyncio.Event().wait()

    rig.runner.script = lambda _: (Step(("half an ", "answer"), before_end=hang), Step(("never",)))
    started = await rig.start(await rig.make_agent())
    draining = asyncio.ensure_future(rig.drain())
    await running.wait()
    await cancel_run(rig.core, ANN, started.run.id)
    await rig.clock.advance(6)
    await draining
    run = await rig.run(started.run.id)
    last = (await rig.events(run.session_id))[-1]
    assert run.state is RunState.CANCELLED
    assert (last["content"]["text"], last["partial"], last["turn_complete"]) == ("half an answer", True, True)
    assert rig.runner.requests == [("hello", 0)]


async def test_a_cancelling_that_meets_contention_reaches_the_holder_all_the_same() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent())
    cancelled: list[bool] = []

    async def cancel() -> None:
        documents = FailingDocuments(rig.documents, at_commit(1, Fate.ABORTED))
        await cancel_run(rig.engine(documents).core, ANN, started.run.id)
        cancelled.append(True)

    rig.runner.script = lambda _: (Step(("one",), (("echo", {"value": 1}),), before_end=cancel), Step(("never",)))
    await rig.drain()
    assert cancelled == [True]
    assert rig.runner.requests == [("hello", 0)]


async def test_whoever_hears_of_the_cancelling_with_a_tools_result_asks_the_model_no_more() -> None:
    rig = EngineRig()
    rig.runner.script = lambda _: (Step(("let me see",), (("echo", {"value": 1}),)), Step(("never",)))
    started = await rig.start(await rig.make_agent(tools=["echo"]))

    cancelling = InterferingDocuments(
        rig.documents,
        lambda: cancel_run(rig.core, ANN, started.run.id),
        before=lambda writes: any(write.path.endswith("journal/0000-call-0-0") for write in writes),
    )
    await rig.deliver(rig.queue.pending.popleft(), cancelling)
    events = await rig.events(started.run.session_id)
    assert rig.runner.requests == [("hello", 0)]
    assert [(event["author"], event["content"].get("text")) for event in events] == [
        ("user", "hello"),
        ("agent", "let me see"),
        ("tool", None),
        ("system", ""),  # nothing that has an event of its own is said again
    ]


async def test_a_model_that_is_down_is_tried_again_and_then_fails_the_run() -> None:
    rig = EngineRig()

    def down(_: AgentTurn) -> list[Step]:
        raise ModelUnavailable("the model is down")

    rig.runner.script = down
    started = await rig.start(await rig.make_agent())
    deliveries = 0
    while rig.queue.pending:
        await rig.queue.deliver_next(rig.deliver)
        await rig.clock.advance(5)
        deliveries += 1
    run = await rig.run(started.run.id)
    assert (run.state, run.error.code if run.error else None) == (RunState.FAILED, "model_unavailable")
    assert len(rig.runner.turns) == 3
    last = (await rig.events(run.session_id))[-1]
    assert (last["error_code"], last["turn_complete"]) == ("model_unavailable", True)


async def test_a_released_node_does_not_start_before_its_time() -> None:
    rig = EngineRig()
    failures = iter([True])

    def script(_: AgentTurn) -> list[Step]:
        if next(failures, False):
            raise ModelUnavailable("slow down", retry_after_seconds=20)
        return [Step(("fine",))]

    rig.runner.script = script
    started = await rig.start(await rig.make_agent())
    start = rig.clock.now()
    await rig.queue.deliver_next(rig.deliver)
    node = await rig.node(started.run.id, "main~0")
    (task,) = rig.queue.pending
    assert (node.state, node.not_before, task.not_before) == (NodeState.READY, *[start + timedelta(seconds=20)] * 2)
    await rig.queue.deliver_next(rig.deliver)
    await rig.clock.advance(19)
    await rig.queue.deliver_next(rig.deliver)
    assert len(rig.runner.turns) == 1
    await rig.clock.advance(2)
    await rig.drain()
    assert await rig.output(started.run.id) == "fine"


def down_for_long(_: AgentTurn) -> list[Step]:
    raise ModelUnavailable("come back later", retry_after_seconds=600)


async def held_back(rig: EngineRig) -> RunId:
    """A run whose node is to be tried again in ten minutes; until then the queue keeps the task."""
    rig.runner.script = down_for_long
    started = await rig.start(await rig.make_agent())
    await rig.queue.deliver_next(rig.deliver)
    rig.queue.lose_next()
    return started.run.id


async def assert_cancelled_before_its_time(rig: EngineRig, run_id: RunId, began: datetime) -> None:
    await rig.drain()
    assert (await rig.run(run_id)).state is RunState.CANCELLED
    assert rig.clock.now() - began < timedelta(seconds=120)
    assert len(rig.runner.turns) == 1
    assert [task for task in rig.documents.paths if task.startswith("leases/")] == []


async def test_a_run_that_is_to_be_tried_again_later_is_cancelled_at_once() -> None:
    rig = EngineRig()
    run_id = await held_back(rig)
    now = rig.clock.now()
    await cancel_run(rig.core, ANN, run_id)
    assert [task.not_before for task in rig.queue.pending] == [None]
    await assert_cancelled_before_its_time(rig, run_id, now)


async def test_all_items_of_a_map_that_are_to_be_tried_again_are_cancelled_at_once() -> None:
    def down(_: Any) -> Any:
        raise Unavailable("the shop is closed")

    rig = EngineRig(toolbox=CountingToolbox({"echo": lambda args: args["value"], "buy": down}))
    body = {
        "kind": "tool",
        "tool": "buy",
        "arguments": {},
        "retry": {"max_attempts": 3, "initial_seconds": 600, "max_seconds": 3600},
    }
    graph = {"nodes": {"each": {"kind": "map", "over": "{{ input.shops }}", "body": body}}}
    started = await rig.start(
        await rig.make_agent(type="graph", graph=graph), input={"text": "buy", "shops": [1, 2, 3]}
    )
    for _ in range(4):
        await rig.queue.deliver_next(rig.deliver)
    held = [await rig.node(started.run.id, f"each[{index}]~0") for index in range(3)]
    assert [(node.state, node.not_before is None) for node in held] == [(NodeState.READY, False)] * 3
    while rig.queue.pending:
        rig.queue.lose_next()
    await cancel_run(rig.core, ANN, started.run.id)
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.CANCELLED
    assert rig.toolbox.calls.total() == 3


CANCEL_COMMITS = 2
"""The flag, and the node that may start at once."""


async def test_the_cancelling_of_such_a_run_takes_two_commits() -> None:
    rig = EngineRig()
    documents = FailingDocuments(rig.documents)
    await cancel_run(rig.engine(documents).core, ANN, await held_back(rig))
    assert documents.commits == CANCEL_COMMITS


@pytest.mark.parametrize("at", range(CANCEL_COMMITS))
@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_cancelling_that_dies_on_the_way_is_completed_by_the_sweeper(at: int, fate: Fate) -> None:
    rig = EngineRig()
    run_id, now = await held_back(rig), rig.clock.now()
    documents = FailingDocuments(rig.documents, at_commit(at, fate))
    with suppress(Died):
        await cancel_run(rig.engine(documents).core, ANN, run_id)
    if not (await rig.run(run_id)).cancel_requested:  # it died before anything was stored, and is asked for again
        await cancel_run(rig.core, ANN, run_id)
    await rig.clock.advance(61)
    await sweep_runs(rig.core, LEASE_SECONDS)
    await assert_cancelled_before_its_time(rig, run_id, now)


async def test_a_cancelling_that_the_queue_did_not_hear_of_is_asked_for_again() -> None:
    rig = EngineRig()
    run_id, now = await held_back(rig), rig.clock.now()
    rig.queue.fail_next()
    with pytest.raises(Unavailable):
        await cancel_run(rig.core, ANN, run_id)
    await cancel_run(rig.core, ANN, run_id)
    await assert_cancelled_before_its_time(rig, run_id, now)


async def test_a_node_that_fails_while_its_run_is_cancelled_is_not_tried_again_later() -> None:
    rig = EngineRig()

    async def cancel_and_fail() -> None:
        await cancel_run(rig.core, ANN, started.run.id)
        down_for_long(rig.runner.turns[-1])

    rig.runner.script = lambda _: [Step(before_end=cancel_and_fail)]
    started = await rig.start(await rig.make_agent())
    now = rig.clock.now()
    await rig.queue.deliver_next(rig.deliver)
    await rig.queue.drain(lambda task: lose(task) if task.not_before else rig.deliver(task))
    await assert_cancelled_before_its_time(rig, started.run.id, now)


async def lose(_: NodeTask) -> bool:
    """A delivery that would come too late."""
    return True


async def test_a_cancelling_leaves_a_node_alone_whose_next_try_begins_meanwhile() -> None:
    rig = EngineRig()
    rig.runner.script = down_for_long
    started = await rig.start(await rig.make_agent())
    await rig.queue.deliver_next(rig.deliver)

    async def try_again() -> None:
        await rig.clock.advance(601)
        await rig.queue.deliver_next(rig.deliver)

    documents = InterferingDocuments(rig.documents, try_again, before_commit=CANCEL_COMMITS)
    run = await cancel_run(rig.engine(documents).core, ANN, started.run.id)
    assert (run.state, len(rig.runner.turns), len(rig.queue.pending)) == (RunState.CANCELLED, 1, 0)
    assert (await rig.node(started.run.id, "main~0")).attempt == 2


async def test_a_defect_is_reported_and_its_text_is_not_shown() -> None:
    rig = EngineRig()

    def broken(_: AgentTurn) -> list[Step]:
        raise KeyError("secret")

    rig.runner.script = broken
    started = await rig.start(await rig.make_agent())
    while rig.queue.pending:
        await rig.queue.deliver_next(rig.deliver)
        await rig.clock.advance(5)
    run = await rig.run(started.run.id)
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("internal", "an internal error")
    assert isinstance(rig.defects[0], KeyError)


async def test_an_answer_that_no_file_can_hold_fails_clearly() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: (Step(("x" * (MAX_ARTIFACT_BYTES + 1),)),)))
    started = await rig.start(await rig.make_agent())
    await rig.drain()
    run = await rig.run(started.run.id)
    assert run.error is not None
    assert run.error.code == "node_output_too_large"
    assert (await rig.events(run.session_id))[-1]["turn_complete"] is True
