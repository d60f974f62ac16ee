"""A session is forked at an event: log, messages, state and files up to then; the first goes on untouched."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from shared.domain.document_limits import document_bytes
from shared.domain.errors import (
    DomainError,
    IdempotencyKeyReused,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SessionTooLarge,
)
from shared.domain.ids import SessionId, Uid
from shared.domain.records import from_json
from shared.domain.sessions import Fork, Session, session_path
from shared.domain.writes import Create, Delete, Update, Write
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import CommitRefused, Committed, Documents, OutcomeUnknown, Query, Snapshot
from shared.ports.identity import Identity
from shared.usecases.artifacts.get_artifact import get_artifact
from shared.usecases.artifacts.list_artifacts import list_artifacts
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact
from shared.usecases.nodes.engine import Core
from shared.usecases.sessions import fork_session as module
from shared.usecases.sessions.delete_session import remove_deleted
from shared.usecases.sessions.fork_session import ForkRequest, fork_session
from shared.usecases.sessions.get_session import get_session
from shared.usecases.sessions.open_session import NewSession, open_session
from shared.usecases.sessions.regenerate_answer import RegenerateRequest, regenerate_answer
from tests.support.engine_rig import ANN, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.keeping_toolbox import KeepingToolbox
from tests.support.noting_documents import NotingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.support.watched_documents import WatchedDocuments

ALL = ["events", "messages", "state_changes"]
FATES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]


def _script(turn: AgentTurn) -> tuple[Step, ...]:
    return (Step((), (("keep", {"value": turn.prompt}),)), Step((f"re {turn.prompt}",)))


class Talk:
    """A conversation in which each message becomes the state's `last`, and a version of a file."""

    def __init__(self) -> None:
        self.rig = EngineRig(ScriptedRunner(_script))
        self.rig.toolbox = KeepingToolbox(self.rig.documents, self.rig.clock, keep=self._keep)
        self.session = SessionId("")

    async def _keep(self, arguments: Any) -> dict[str, Any]:
        await self.put("note.txt", arguments["value"])
        return {"last": arguments["value"]}

    async def put(self, name: str, text: str) -> None:
        file = NewArtifact(self.session, ANN, name, text.encode(), f"by {text}")
        await put_artifact(self.rig.documents, self.rig.clock, file)

    async def open(self, *messages: str) -> None:
        rig, state = self.rig, {"last": "nothing", "kept": 1}
        new = NewSession(await rig.make_agent(tools=["keep"]), state=state, title="a talk")
        self.session = (await open_session(rig.documents, rig.clock, rig.ids, Identity(ANN, "user"), new)).id
        for message in messages:
            await self.say(self.session, message)

    async def say(self, session: SessionId, message: str) -> None:
        await self.rig.clock.advance(10)
        await self.rig.start(session_id=session, input=message)
        await self.rig.drain()
        await self.rig.clock.advance(10)

    async def fork(self, at_seq: int | None = None, documents: Documents | None = None, **more: Any) -> Session:
        core = Core(documents or self.rig.documents, self.rig.queue, self.rig.clock, self.rig.ids)
        return await fork_session(core, ForkRequest(ANN, self.session, at_seq, **more))

    async def texts(self, session: SessionId) -> list[str]:
        events = await self.rig.events(session)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["content"]["text"] for event in events if event["content"].get("text")]

    async def note(self, session: SessionId) -> tuple[int, bytes, str]:
        found = await get_artifact(self.rig.documents, session, "note.txt")
        return found.artifact.version, found.content, found.artifact.created_by


async def test_a_fork_begins_as_the_session_was_and_both_go_on_apart() -> None:
    talk = Talk()
    await talk.open("one", "two", "three")
    await talk.put("late.txt", "late")
    fork = await talk.fork(8)
    assert fork.fork_of is not None
    assert (fork.fork_of.session_id, fork.fork_of.at_seq, fork.title, fork.readers) == (talk.session, 8, "a talk", ())
    stored = await get_session(talk.rig.documents, ANN, fork.id)
    assert from_json(stored.state_json) == {"last": "two", "kept": 1}
    assert await talk.texts(fork.id) == ["one", "re one", "two", "re two"]
    assert await talk.note(fork.id) == (2, b"two", "by two")
    assert [head.name for head in (await list_artifacts(talk.rig.documents, fork.id, limit=9)).items] == ["note.txt"]
    original, talk.session = talk.session, fork.id
    await talk.say(fork.id, "other")
    assert len(talk.rig.runner.turns[-1].history) == 8
    assert await talk.texts(fork.id) == ["one", "re one", "two", "re two", "other", "re other"]
    assert (await talk.note(fork.id))[:2] == (3, b"other")
    assert await talk.texts(original) == ["one", "re one", "two", "re two", "three", "re three"]
    assert from_json((await get_session(talk.rig.documents, ANN, original)).state_json)["last"] == "three"
    assert (await talk.note(original))[:2] == (3, b"three")


@pytest.mark.parametrize(("at_seq", "turns"), [(0, 0), (1, 0), (3, 0), (4, 1), (5, 1), (8, 2), (12, 3), (None, 3)])
async def test_a_turn_is_copied_whole_or_not_at_all(at_seq: int | None, turns: int) -> None:
    talk = Talk()
    await talk.open("one", "two", "three")
    fork = await talk.fork(at_seq)
    said = ["one", "two", "three"][:turns]
    assert await talk.texts(fork.id) == [text for one in said for text in (one, f"re {one}")]
    state = from_json((await get_session(talk.rig.documents, ANN, fork.id)).state_json)
    assert state == {"last": said[-1] if said else "nothing", "kept": 1}


async def test_what_is_being_said_is_not_copied() -> None:
    talk = Talk()
    await talk.open("one")
    await talk.rig.start(session_id=talk.session, input="two")
    fork = await talk.fork()
    assert await talk.texts(fork.id) == ["one", "re one"]
    await talk.say(fork.id, "three")
    assert (await talk.texts(fork.id))[-1] == "re three"


async def test_an_answer_is_made_again_in_a_fork_and_stays_as_it_is_in_the_first() -> None:
    talk = Talk()
    await talk.open("one", "two")
    await regenerate_answer(talk.rig.core, RegenerateRequest(ANN, talk.session))
    await talk.rig.drain()
    before = await talk.fork(8)
    assert {event["superseded_by"] for event in await talk.rig.events(before.id)} == {None}
    after = await talk.fork()
    assert {event["superseded_by"] for event in await talk.rig.events(after.id)} != {None}
    new = await regenerate_answer(talk.rig.core, RegenerateRequest(ANN, before.id))
    await talk.rig.drain()
    marked = [event["seq"] for event in await talk.rig.events(before.id) if event["superseded_by"] == new.run.id]
    assert marked == [8]
    assert not [event for event in await talk.rig.events(talk.session) if event["superseded_by"] == new.run.id]


async def test_the_same_request_gives_the_same_fork() -> None:
    talk = Talk()
    await talk.open("one", "two")
    fork = await talk.fork(4, idempotency_key="k")
    await talk.say(fork.id, "more")
    assert (await talk.fork(4, idempotency_key="k")).id == fork.id
    assert (await talk.texts(fork.id))[-1] == "re more"
    with pytest.raises(IdempotencyKeyReused):
        await talk.fork(8, idempotency_key="k")


async def test_the_same_request_for_all_gives_the_same_fork_also_when_more_was_said_since() -> None:
    talk = Talk()
    await talk.open("one")
    fork = await talk.fork(idempotency_key="k")
    await talk.say(talk.session, "two")
    assert await talk.fork(idempotency_key="k") == fork
    assert await talk.texts(fork.id) == ["one", "re one"]
    with pytest.raises(IdempotencyKeyReused):
        await talk.fork(4, idempotency_key="k")


async def test_a_fork_of_all_that_was_begun_is_finished_as_it_was_when_it_was_asked_for() -> None:
    talk = Talk()
    await talk.open("one")
    with pytest.raises(Died):
        await talk.fork(documents=FailingDocuments(talk.rig.documents, lambda _: Fate.DIES_AFTER), idempotency_key="k")
    await talk.say(talk.session, "two")
    fork = await talk.fork(idempotency_key="k")
    assert fork.fork_of == Fork(talk.session, 4, is_of_all=True)
    assert await talk.texts(fork.id) == ["one", "re one"]
    assert from_json(fork.state_json) == {"last": "one", "kept": 1}
    assert (await talk.note(fork.id))[:2] == (1, b"one")


async def test_what_cannot_be_forked_is_refused() -> None:
    talk = Talk()
    await talk.open("one", "two")
    bob = Uid("bob")
    refused: list[tuple[type[DomainError], ForkRequest]] = [
        (InvalidArgument, ForkRequest(ANN, talk.session, 9)),
        (NotFound, ForkRequest(bob, talk.session)),
        (NotFound, ForkRequest(ANN, SessionId("nothing"))),
    ]
    for error, request in refused:
        with pytest.raises(error):
            await fork_session(talk.rig.core, request)
    await talk.rig.documents.commit([Update(session_path(talk.session), {"readers": [bob]})])
    with pytest.raises(PermissionDenied):
        await fork_session(talk.rig.core, ForkRequest(bob, talk.session))


@pytest.mark.parametrize("bound", [("MOST_EVENTS", 3), ("MOST_FILES", 0), ("MOST_BYTES", 2)])
async def test_more_than_can_be_copied_is_refused_and_nothing_of_it_stays(bound: tuple[str, int]) -> None:
    talk = Talk()
    await talk.open("one", "two")
    with patch.object(module, *bound), pytest.raises(SessionTooLarge):
        await talk.fork(idempotency_key="k")
    await check_nothing_stays(talk)


async def bytes_of(talk: Talk, name: str) -> int:
    found = await talk.rig.documents.query(Query(f"sessions/{talk.session}/{name}"))
    return sum(document_bytes(one.path, one.fields or {}) for one in found)


@pytest.mark.parametrize("of", [ALL[:1], ALL[:2], ALL], ids=["of the log", "of both", "with changes of state"])
async def test_a_log_that_is_too_large_is_refused_with_both_figures_and_nothing_is_copied(of: list[str]) -> None:
    talk = Talk()
    await talk.open("one", "two")
    size = sum([await bytes_of(talk, name) for name in of])
    before = set(talk.rig.documents.paths)
    with patch.object(module, "MOST_LOG_BYTES", size - 1), pytest.raises(SessionTooLarge) as refused:
        await talk.fork(idempotency_key="k")
    assert f"{size:,} bytes" in refused.value.message
    assert f"{size - 1:,} at most" in refused.value.message
    (draft,) = set(talk.rig.documents.paths) - before
    assert draft.count("/") == 1
    await check_nothing_stays(talk)


async def test_a_log_that_is_as_large_as_may_be_is_forked() -> None:
    talk = Talk()
    await talk.open("one", "two")
    size = sum([await bytes_of(talk, name) for name in ALL])
    with patch.object(module, "MOST_LOG_BYTES", size):
        fork = await talk.fork()
    assert await talk.texts(fork.id) == ["one", "re one", "two", "re two"]


async def test_of_a_log_that_is_too_large_no_more_is_read_than_shows_it() -> None:
    talk = Talk()
    await talk.open(*"abcdefgh")
    documents = WatchedDocuments(talk.rig.documents)
    with patch.multiple(module, MOST_LOG_BYTES=1, PAGE=3), pytest.raises(SessionTooLarge):
        await talk.fork(documents=documents)
    assert documents.reads == len(["session", "slot", "the fork", "the file"]) + 3


async def test_what_was_said_after_the_event_does_not_count() -> None:
    talk = Talk()
    await talk.open("one")
    size = sum([await bytes_of(talk, name) for name in ALL])
    await talk.say(talk.session, "two " * 1_000)
    with patch.object(module, "MOST_LOG_BYTES", size):
        fork = await talk.fork(4)
    assert await talk.texts(fork.id) == ["one", "re one"]


def bytes_in(writes: Sequence[Write]) -> int:
    return sum(document_bytes(one.path, one.fields) for one in writes if not isinstance(one, Delete))


async def test_no_commit_is_too_large_in_whatever_script_the_session_is() -> None:
    talk = Talk()
    await talk.open("春" * 2_000, "秋" * 2_000)
    documents = NotingDocuments(talk.rig.documents)
    with patch.object(module, "COMMIT_BYTES", 15_000):
        fork = await talk.fork(documents=documents)
    assert len(await talk.texts(fork.id)) == 4
    assert max(bytes_in(writes) for writes in documents.commits) <= 15_000


@pytest.mark.parametrize("at_seq", [8, None])
async def test_the_version_of_then_is_found_at_once_however_many_came_after_it(at_seq: int | None) -> None:
    talk = Talk()
    await talk.open("one", "two", "three")
    round_trips: list[int] = []
    for later in (1, 12):
        for number in range(later):
            await talk.put("note.txt", f"later {number}")
        documents = WatchedDocuments(talk.rig.documents)
        fork = await talk.fork(at_seq, documents)
        newest = (await talk.note(talk.session))[:2]
        assert (await talk.note(fork.id))[:2] == (newest if at_seq is None else (2, b"two"))
        round_trips.append(documents.round_trips)
    assert round_trips[0] == round_trips[1]


async def check_nothing_stays(talk: Talk) -> None:
    """The sweeper removes a half-made copy, once it is sure that nobody makes it any more, and nothing else."""
    before = talk.rig.documents.paths
    assert await remove_deleted(talk.rig.core, 10) == 0
    assert talk.rig.documents.paths == before
    await talk.rig.clock.advance(module.COPIED_WITHIN.total_seconds() + 1)
    await remove_deleted(talk.rig.core, 10)
    left = [path for path in talk.rig.documents.paths if path.startswith(("sessions/", "slots/"))]
    assert left
    assert all(talk.session in path for path in left)


@pytest.mark.parametrize("fate", FATES)
async def test_a_fork_is_whole_or_nobody_sees_it_wherever_its_maker_fails(fate: Fate) -> None:
    with patch.multiple(module, PAGE=3, BATCH=3):
        for at in range(12):
            for asks_again in (True, False):
                talk = Talk()
                await talk.open("one", "two")
                store = FailingDocuments(talk.rig.documents, at_commit(at, fate))
                fork: Session | None = None
                try:
                    fork = await talk.fork(documents=store, idempotency_key="k")
                except Died:
                    if asks_again:
                        fork = await talk.fork(idempotency_key="k")
                if fork is None:
                    await check_half(talk)
                    continue
                assert await talk.texts(fork.id) == ["one", "re one", "two", "re two"]
                assert await talk.note(fork.id) == (2, b"two", "by two")
                await talk.say(fork.id, "three")
                assert len(talk.rig.runner.turns[-1].history) == 8


class LateCopies(ForwardingDocuments):
    """The first commit that copies events is given up, and arrives when nobody waits for it any more."""

    def __init__(self, inner: Documents) -> None:
        super().__init__(inner)
        self._late: Sequence[Write] = ()

    async def commit(self, writes: Sequence[Write]) -> Committed:
        if not self._late and "/events/" in writes[0].path:
            self._late = writes
            raise OutcomeUnknown("no reply in time")
        return await super().commit(writes)

    async def arrive(self) -> None:
        with suppress(CommitRefused):
            await super().commit(self._late)


async def test_a_copy_that_arrives_late_undoes_nothing_of_what_was_said_since() -> None:
    talk = Talk()
    await talk.open("one")
    store = LateCopies(talk.rig.documents)
    fork = await talk.fork(documents=store)
    new = await regenerate_answer(talk.rig.core, RegenerateRequest(ANN, fork.id))
    await talk.rig.drain()
    before = await talk.rig.events(fork.id)
    await store.arrive()
    assert await talk.rig.events(fork.id) == before
    assert [event["seq"] for event in before if event["superseded_by"] == new.run.id] == [4]


class Answered(ForwardingDocuments):
    """Something is said in the session when its log has been read, and before its files are."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk.rig.documents)
        self._left = [talk]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        found = await super().get_many(paths)
        while self._left and "/events/" in paths[0]:
            talk = self._left.pop()
            await talk.say(talk.session, "two")
        return found


async def test_a_file_of_a_turn_that_is_answered_while_a_session_is_copied_is_not_copied() -> None:
    talk = Talk()
    await talk.open("one")
    fork = await talk.fork(documents=Answered(talk))
    assert await talk.texts(fork.id) == ["one", "re one"]
    assert await talk.note(fork.id) == (1, b"one", "by one")
    assert (await talk.note(talk.session))[:2] == (2, b"two")


class Finishing(ForwardingDocuments):
    """The last commit of a copy is held back, until whoever sweeps has looked or has begun to remove it."""

    def __init__(self, inner: Documents, when: str) -> None:
        super().__init__(inner)
        self._when = when
        self._last: Sequence[Write] = ()
        self.is_finished = False

    async def query(self, query: Query) -> list[Snapshot]:
        found = await super().query(query)
        if query.collection == "sessions" and self._when == "looked":
            await self._arrive()
        return found

    async def commit(self, writes: Sequence[Write]) -> Committed:
        if any(write.path.startswith("slots/") and isinstance(write, Create) for write in writes):
            self._last = writes
            raise Died
        committed = await super().commit(writes)
        if isinstance(writes[0], Delete) and self._when == "begun":
            await self._arrive()
        return committed

    async def _arrive(self) -> None:
        with suppress(CommitRefused):
            await super().commit(self._last)
            self.is_finished = True


@pytest.mark.parametrize(("when", "is_there"), [("looked", True), ("begun", False)])
async def test_a_fork_that_is_finished_as_it_is_swept_is_whole_or_gone(when: str, is_there: bool) -> None:  # noqa: FBT001 - a row
    talk = Talk()
    await talk.open("one", "two")
    store = Finishing(talk.rig.documents, when)
    with pytest.raises(Died):
        await talk.fork(documents=store)
    await talk.rig.clock.advance(module.COPIED_WITHIN.total_seconds() + 1)
    await remove_deleted(replace(talk.rig.core, documents=store), 10)
    found = [path for path in talk.rig.documents.paths if path.startswith("sessions/") and talk.session not in path]
    assert (store.is_finished, bool(found)) == (is_there, is_there)
    for fork in {SessionId(path.split("/")[1]) for path in found}:
        assert await talk.texts(fork) == ["one", "re one", "two", "re two"]
        assert (await get_session(talk.rig.documents, ANN, fork)).deleted_at is None


async def check_half(talk: Talk) -> None:
    """What a maker left that died: a whole fork, or one that is removed."""
    found = [path for path in talk.rig.documents.paths if path.startswith("sessions/") and path.count("/") == 1]
    (fork,) = [path.removeprefix("sessions/") for path in found if talk.session not in path] or [None]
    if fork is None:
        return
    fields = (await talk.rig.documents.get(session_path(SessionId(fork)))).fields
    if fields["deleted_at"] is None:
        assert await talk.texts(SessionId(fork)) == ["one", "re one", "two", "re two"]
        return
    assert fields["deleted_at"] - talk.rig.clock.now() <= timedelta(minutes=15)
    with pytest.raises(NotFound):
        await get_session(talk.rig.documents, ANN, SessionId(fork))
    await check_nothing_stays(talk)
