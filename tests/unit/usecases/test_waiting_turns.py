"""What somebody who watches a conversation is told while a run waits for people."""

from __future__ import annotations

import json
from typing import Any

from shared.domain.approvals import ApprovalState
from shared.domain.decisions import Decision
from shared.domain.events import event_id
from shared.edge.server_sent_events import render_update
from shared.ports.documents import Documents, Query, Snapshot
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.list_approvals import list_approvals
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.sessions.answer_message import Turn
from shared.usecases.sessions.delete_session import delete_session, remove_deleted
from shared.usecases.sessions.follow_session import follow_session
from shared.usecases.sessions.turn_updates import EventAppended, PeopleAsked, Update
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.support.watched_documents import WatchedDocuments
from tests.unit.usecases.test_turns import ask, collect, shape

STEPS = (Step(("may I?",), (("echo", {"value": 1}), ("echo", {"value": 2}))), Step(("done",)))
TOOLS: list[Any] = [{"name": "echo", "requires_approval": True}]


async def asking() -> tuple[EngineRig, Turn, list[Update]]:
    """A turn that has come to where it waits, and what its stream told."""
    rig = EngineRig(ScriptedRunner(lambda turn: STEPS if turn.prompt == "and?" else (Step(("hi",)),)))
    started = await rig.start(await rig.make_agent(tools=TOOLS))
    await rig.drain()
    turn = await ask(rig, started.run.session_id)
    updates = await collect(rig, turn.updates())
    await turn.leave(0)
    return rig, turn, updates


def frame(update: Update) -> tuple[str, dict[str, Any]]:
    lines = dict(line.split(": ", 1) for line in render_update(update).decode().splitlines() if line)
    return lines["event"], json.loads(lines["data"])


async def test_the_stream_of_a_turn_ends_with_what_people_are_asked() -> None:
    rig, turn, updates = await asking()
    assert shape(updates) == ["3 user", "+may I?", "4 agent", "5 system", "6 system", "PeopleAsked"]
    waits_for = (await rig.node(turn.run.id, "main~0")).waits_for
    assert updates[-1] == PeopleAsked(turn.run.id, waits_for)
    kind, data = frame(updates[-1])
    assert (kind, data["state"], data["approval_ids"]) == ("state", "waiting", list(waits_for))
    kind, data = frame(updates[-2])
    assert (kind, data["state"], data["approval_ids"]) == ("state", "waiting", [waits_for[1]])
    assert data["event"]["content"]["approval"]["arguments"] == {"value": 2}


async def test_who_comes_later_is_told_the_same_and_then_how_it_went_on() -> None:
    rig, turn, _ = await asking()
    session = turn.run.session_id
    seen = await collect(rig, follow_session(rig.core, session, after=4))
    assert shape(seen) == ["5 system", "6 system", "PeopleAsked"]
    assert shape(await collect(rig, follow_session(rig.core, session, after=6))) == ["PeopleAsked"]
    for approval in (await list_approvals(rig.documents, ANN, ApprovalState.PENDING, 10, None)).items:
        await decide_approval(rig.core, ANN, approval.id, Decision("approve"))
    await rig.drain()
    rest = await collect(rig, follow_session(rig.core, session, after=6))
    assert [update.event.author for update in rest if isinstance(update, EventAppended)] == ["tool", "tool", "agent"]


async def test_the_watchdog_of_a_turn_leaves_a_run_that_waits_alone() -> None:
    rig, turn, _ = await asking()
    await rig.clock.advance(60)
    await rig.drain()
    assert (await rig.node(turn.run.id, "main~0")).attempt == 1


async def test_a_deleted_conversation_leaves_no_question_behind() -> None:
    rig, turn, _ = await asking()
    await delete_session(rig.core, ANN, turn.run.session_id)
    session = f"sessions/{turn.run.session_id}"
    assert not [path for path in rig.documents.paths if path.startswith(("approvals/", "leases/", session))]
    await rig.drain()
    assert await remove_deleted(rig.core, 10) == 0


async def test_the_same_idempotent_message_shows_that_the_run_waits() -> None:
    rig, turn, _ = await asking()
    await cancel_run(rig.core, ANN, turn.run.id)
    await rig.drain()
    first = await ask(rig, turn.run.session_id, idempotency_key="k")
    await collect(rig, first.updates())
    again = await ask(rig, turn.run.session_id, idempotency_key="k")
    assert isinstance((await collect(rig, again.updates()))[-1], PeopleAsked)


class ReadLog(WatchedDocuments):
    """A store that notes from where events are read."""

    def __init__(self, inner: Documents) -> None:
        super().__init__(inner)
        self.after: list[Any] = []

    async def query(self, query: Query) -> list[Snapshot]:
        if query.collection.endswith("/events"):
            self.after.append(query.after)
        return await super().query(query)


async def test_a_turn_that_waits_does_not_read_what_was_said_before() -> None:
    rig = EngineRig()
    session = (await rig.start(await rig.make_agent())).run.session_id
    await rig.drain()
    await rig.start(session_id=session)
    rig.documents = log = ReadLog(rig.documents)
    first = await ask(rig, session, if_busy="enqueue", idempotency_key="k")
    again = await ask(rig, session, if_busy="enqueue", idempotency_key="k")
    await rig.drain()
    assert shape(await collect(rig, first.updates())) == ["RunWaits", "5 user", "6 agent end"]
    assert shape(await collect(rig, again.updates())) == ["5 user", "6 agent end"]
    assert {position[0] for position in log.after} == {event_id(3)}
