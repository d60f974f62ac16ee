"""A turn answered in the request that brought it: what is streamed, and what goes on when nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from shared.domain.ids import SessionId
from shared.domain.states import RunState
from shared.domain.tools import Effect
from shared.ports.documents import Query, Snapshot
from shared.usecases.nodes.give_way import give_way
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.start_run import RunRequest
from shared.usecases.sessions.answer_message import Turn, answer_message
from shared.usecases.sessions.follow_session import follow_session
from shared.usecases.sessions.turn_updates import (
    EventAppended,
    PeopleAsked,
    RunPaused,
    RunWaits,
    RunWithdrawn,
    TextShown,
    Update,
)
from tests.support.engine_rig import ANN, EngineRig
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.passing_time import in_time
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.support.slow_documents import SlowDocuments

STEPS = (Step(("let me ", "see"), (("echo", {"value": 1}),)), Step(("it is ", "one")))


async def session_of(rig: EngineRig, **definition: Any) -> SessionId:
    """A session with one finished turn."""
    started = await rig.start(await rig.make_agent(tools=["echo"], **definition))
    await rig.drain()
    return started.run.session_id


async def ask(rig: EngineRig, session: SessionId, **request: Any) -> Turn:
    asked: dict[str, Any] = {"caller": ANN, "session_id": session, "input": "and?", **request}
    return await answer_message(rig.engine(), RunRequest(**asked))


async def collect(rig: EngineRig, updates: AsyncIterator[Update]) -> list[Update]:
    """All updates; time goes on while nothing else happens."""

    async def take() -> list[Update]:
        return [update async for update in updates]

    return await in_time(rig.clock, take())


def shape(updates: list[Update]) -> list[str]:
    """The updates in short."""
    names: list[str] = []
    for update in updates:
        match update:
            case TextShown():
                names.append(f"+{update.delta}")
            case EventAppended(event):
                names.append(f"{event.seq} {event.author}{' end' if event.turn_complete else ''}")
            case RunWaits() | RunWithdrawn() | PeopleAsked() | RunPaused():
                names.append(type(update).__name__)
    return names


async def test_a_turn_streams_text_and_events_in_order_and_ends_with_the_answer() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    turn = await ask(rig, await session_of(rig))
    assert shape(await collect(rig, turn.updates())) == [
        "5 user",
        "+let me ",
        "+see",
        "6 agent",
        "7 tool",
        "+it is ",
        "+one",
        "8 agent end",
    ]
    await turn.leave(0)
    assert (await rig.run(turn.run.id)).state is RunState.SUCCEEDED


async def test_the_watchdog_finds_a_turn_whose_process_died() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: (Step(("answer",)),)))
    session = await session_of(rig)
    turn = await ask(rig, session)
    turn.abandon()
    await rig.clock.advance(60)
    await rig.drain()
    assert await rig.output(turn.run.id) == "answer"


async def test_a_turn_that_waits_is_followed_from_the_log() -> None:
    rig = EngineRig()
    session = await session_of(rig)
    active = await rig.start(session_id=session)
    turn = await ask(rig, session, if_busy="enqueue")
    collecting = asyncio.ensure_future(collect(rig, turn.updates()))
    await rig.drain()
    updates = await collecting
    assert updates[0] == RunWaits(turn.run.id)
    events = [update.event for update in updates if isinstance(update, EventAppended)]
    assert [event.run_id for event in events] == [turn.run.id] * 2
    assert events[-1].turn_complete
    assert active.run.id != turn.run.id


async def test_a_turn_that_is_cancelled_while_it_waits_ends_its_stream() -> None:
    rig = EngineRig()
    session = await session_of(rig)
    await rig.start(session_id=session)
    turn = await ask(rig, session, if_busy="enqueue")
    await cancel_run(rig.core, ANN, turn.run.id)
    assert shape(await collect(rig, turn.updates())) == ["RunWaits", "RunWithdrawn"]


async def test_a_graph_is_answered_from_the_log() -> None:
    rig = EngineRig()
    nodes = {"say": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ input.text }}"}}}
    session = await session_of(rig, type="graph", graph={"nodes": nodes})
    turn = await ask(rig, session)
    collecting = asyncio.ensure_future(collect(rig, turn.updates()))
    await rig.drain()
    assert shape(await collecting) == ["3 user", "4 agent end"]


async def test_a_turn_that_begins_as_another_ends_knows_what_that_one_said() -> None:
    rig = EngineRig()
    session = await session_of(rig)
    await rig.start(session_id=session)

    class Ending(ForwardingDocuments):
        """The active run ends after the history was read, and before the slot is."""

        async def get_many(self, paths: Any) -> Any:
            if any(path.startswith("slots/") for path in paths):
                await rig.drain()
            return await super().get_many(paths)

    engine = rig.engine(Ending(rig.documents))
    turn = await answer_message(engine, RunRequest(caller=ANN, session_id=session, input="and?"))
    await collect(rig, turn.updates())
    assert len(rig.runner.turns[-1].history) == 4


async def test_an_event_that_was_committed_as_its_writer_was_stopped_is_told_too() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    session = await session_of(rig)

    class Hanging(ForwardingDocuments):
        """The response is recorded, and its writer hears of the cancelling before it hears that."""

        async def commit(self, writes: Any) -> Any:
            committed = await super().commit(writes)
            if any(write.path.endswith("journal/0000") for write in writes):
                await cancel_run(rig.core, ANN, turn.run.id)
                await rig.clock.sleep(12)
            return committed

    engine = rig.engine(Hanging(rig.documents))
    turn = await answer_message(engine, RunRequest(caller=ANN, session_id=session, input="and?"))
    told = [name for name in shape(await collect(rig, turn.updates())) if not name.startswith("+")]
    assert told == ["5 user", "6 agent", "7 system end"]


async def test_text_that_was_shown_from_memory_is_not_shown_again_from_the_log() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    session = await session_of(rig)
    stuck = asyncio.Event()
    rig.runner.script = lambda _: (STEPS[0], Step(("it is ", "one"), before_end=stuck.wait))
    turn = await ask(rig, session)
    updates: list[Update] = []
    seen = turn.updates()
    while len(updates) < 6:
        updates.append(await anext(seen))
    turn.abandon()
    stuck.set()
    rig.runner.script = lambda _: STEPS
    collecting = asyncio.ensure_future(collect(rig, seen))
    await rig.clock.advance(60)
    await rig.drain()
    shown = [update for update in [*updates, *await collecting] if isinstance(update, TextShown)]
    tries = {(update.step, update.try_): "" for update in shown}
    for update in shown:
        tries[update.step, update.try_] += update.delta
    assert tries[0, 0] == "let me see"
    assert all("it is one".startswith(text) for place, text in tries.items() if place[0] == 1)


@pytest.mark.parametrize("after", [0, 5, 6])
async def test_the_text_of_a_step_is_not_shown_after_the_event_that_holds_it(after: int) -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    session = await session_of(rig)
    called, answered = asyncio.Event(), asyncio.Event()

    async def look() -> int:
        called.set()
        await answered.wait()
        return 1

    rig.toolbox.tools["echo"] = lambda _: look()
    turn = await ask(rig, session)
    await called.wait()
    collecting = asyncio.ensure_future(collect(rig, follow_session(rig.core, session, after=after)))
    await rig.clock.advance(2)
    answered.set()
    updates = await collecting
    assert isinstance(updates[-1], EventAppended)
    assert updates[-1].event.run_id == turn.run.id
    assert {update.step for update in updates if isinstance(update, TextShown)} <= {1}


async def test_who_waits_is_not_shown_the_text_of_the_active_run() -> None:
    rig = EngineRig(ScriptedRunner(lambda turn: (Step((f"said to {turn.prompt}",)),)))
    session = await session_of(rig)
    active = await rig.start(session_id=session)
    speaking = asyncio.Event()
    rig.runner.script = lambda turn: (Step((f"said to {turn.prompt}",), before_end=speaking.wait),)
    turn = await ask(rig, session, if_busy="enqueue")
    delivering = asyncio.ensure_future(rig.drain())
    collecting = asyncio.ensure_future(collect(rig, turn.updates()))
    await rig.clock.advance(2)
    assert [path for path in rig.documents.paths if "segments" in path and active.run.id in path]
    speaking.set()
    await delivering
    shown = [update for update in await collecting if isinstance(update, TextShown)]
    assert {update.run_id for update in shown} <= {turn.run.id}


async def test_a_call_that_must_not_happen_twice_is_let_to_its_end_when_the_client_leaves() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    session = await session_of(rig)
    rig.toolbox.effects["echo"] = Effect.ONCE
    called, answered = asyncio.Event(), asyncio.Event()

    async def pay() -> int:
        called.set()
        await answered.wait()
        return 1

    rig.toolbox.tools["echo"] = lambda _: pay()
    turn = await ask(rig, session)
    await called.wait()
    leaving = asyncio.ensure_future(turn.leave(0.01))
    await asyncio.wait({leaving}, timeout=0.1)
    answered.set()
    await leaving
    rig.toolbox.calls.clear()
    await rig.drain()
    assert await rig.output(turn.run.id) == "it is one"
    assert not rig.toolbox.calls


async def test_when_the_client_leaves_the_run_goes_on_with_the_queue_and_repeats_no_recorded_step() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    session = await session_of(rig)
    rig.runner.requests.clear()
    turn = await ask(rig, session)
    seen = turn.updates()
    while not isinstance(await anext(seen), TextShown):
        pass
    await turn.leave(5)
    assert (await rig.run(turn.run.id)).state is RunState.RUNNING
    await rig.drain()
    assert (await rig.run(turn.run.id)).state is RunState.SUCCEEDED
    assert rig.runner.requests == [("and?", 0), ("and?", 1)]


async def test_a_model_call_that_outlasts_the_grace_is_made_again_elsewhere() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: (Step(("first",)),)))
    session = await session_of(rig)
    stuck = asyncio.Event()

    async def hang() -> None:
        if not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()

    rig.runner.script = lambda _: (Step(("an answer",), before_end=hang),)
    turn = await ask(rig, session)
    await stuck.wait()
    await turn.leave(0.01)
    await rig.drain()
    assert await rig.output(turn.run.id) == "an answer"


async def test_a_process_that_must_stop_hands_its_nodes_back() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: (Step(("first",)),)))
    session = await session_of(rig)
    stuck = asyncio.Event()

    async def hang() -> None:
        if not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()

    rig.runner.script = lambda _: (Step(("an answer",), before_end=hang),)
    engine = rig.engine()
    turn = await answer_message(engine, RunRequest(caller=ANN, session_id=session, input="and?"))
    await stuck.wait()
    stopping = asyncio.ensure_future(give_way(engine, 5))
    await rig.clock.advance(6)
    await stopping
    await turn.leave(5)
    await rig.drain()
    assert await rig.output(turn.run.id) == "an answer"


async def test_a_turn_asks_the_model_after_two_round_trips_once_the_version_is_known() -> None:
    rig = EngineRig()
    session = await session_of(rig)
    engine = rig.engine(SlowDocuments(rig.documents, rig.clock))
    waits: list[float] = []
    for _ in range(2):
        began = rig.clock.monotonic()
        rig.runner.script = lambda _, began=began: (
            Step(("yes",), before_end=lambda: waits.append(rig.clock.monotonic() - began)),
        )
        answering = asyncio.ensure_future(
            answer_message(engine, RunRequest(caller=ANN, session_id=session, input="and?"))
        )
        while not answering.done():
            await rig.clock.advance(0.1)
        await collect(rig, (await answering).updates())
    assert [round(wait) for wait in waits] == [3, 2]


async def test_a_worker_asks_the_model_after_three_round_trips() -> None:
    rig = EngineRig()
    await rig.start(await rig.make_agent())
    waits: list[float] = []
    rig.runner.script = lambda _: (Step(("yes",), before_end=lambda: waits.append(rig.clock.monotonic())),)
    await rig.deliver(rig.queue.accepted[0], SlowDocuments(rig.documents, rig.clock))
    assert [round(wait) for wait in waits] == [3]


async def test_following_starts_after_any_event_and_ends_when_nothing_is_active() -> None:
    rig = EngineRig(ScriptedRunner(lambda _: STEPS))
    session = await session_of(rig)
    for after in range(5):
        updates = await collect(rig, follow_session(rig.core, session, after=after))
        assert [update.event.seq for update in updates if isinstance(update, EventAppended)] == list(
            range(after + 1, 5)
        )


class Counting(ForwardingDocuments):
    """Notes each read, in order."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.reads: list[str] = []

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        self.reads.append(" ".join(path.partition("/")[0] for path in paths))
        return await super().get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        self.reads.append(query.collection.rpartition("/")[2])
        return await super().query(query)


async def test_who_follows_a_run_of_which_nothing_is_heard_asks_three_times_at_each_look() -> None:
    rig = EngineRig()
    started = await rig.start(session_id=await session_of(rig))
    counting = Counting(rig.documents)
    core = rig.engine(counting).core
    run = started.run
    updates = follow_session(core, run.session_id, after=started.seq or 0, until_run=run.id)
    following = asyncio.ensure_future(anext(updates))
    for _ in range(100):
        await rig.clock.advance(0.1)
    following.cancel()
    looks = len(counting.reads) // 3
    assert looks >= 10, "it looks every second"
    assert counting.reads[: 3 * looks] == ["slots runs runs", "segments", "events"] * looks
