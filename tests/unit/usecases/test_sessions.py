"""Sessions: pinned to a version, shared with readers, and deleted whole, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.errors import DomainError, NotFound, PermissionDenied, Unavailable
from shared.domain.ids import RunId, SessionId, Uid
from shared.domain.records import render
from shared.domain.runs import Run
from shared.domain.sessions import Session, session_path
from shared.domain.states import RunState
from shared.domain.writes import Put, Update
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.start_run import RunRequest, start_run
from shared.usecases.sessions.delete_session import delete_session, remove_deleted, remove_session
from shared.usecases.sessions.get_session import get_own_session, get_session
from shared.usecases.sessions.open_session import NewSession, open_session
from shared.usecases.sessions.read_history import read_history
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.interfering_documents import InterferingDocuments

BOB = Uid("bob")


async def opened(rig: EngineRig, documents: Documents | None = None) -> Session:
    new = NewSession(await rig.make_agent())
    caller = Identity(ANN, "user")
    return await open_session(documents or rig.documents, rig.clock, rig.ids, caller, new)


def core_on(rig: EngineRig, documents: Documents) -> Core:
    return Core(documents, rig.queue, rig.clock, rig.ids)


def left_of(rig: EngineRig, session_id: SessionId) -> list[str]:
    return [path for path in rig.documents.paths if session_id in path]


async def test_a_reader_reads_and_changes_nothing() -> None:
    rig = EngineRig()
    session = await opened(rig)
    with pytest.raises(NotFound):
        await get_session(rig.documents, BOB, session.id)
    await rig.documents.commit([Put(session_path(session.id), render(replace(session, readers=(BOB,))))])
    assert (await get_session(rig.documents, BOB, session.id)).id == session.id
    assert (await read_history(rig.documents, BOB, session.id, limit=10)).items == ()
    with pytest.raises(PermissionDenied):
        await get_own_session(rig.documents, BOB, session.id)
    with pytest.raises(PermissionDenied):
        await delete_session(rig.core, BOB, session.id)
    assert (await get_own_session(rig.documents, ANN, session.id)).readers == (BOB,)


@pytest.mark.parametrize(("fate", "refusal"), [(Fate.REPLY_LOST, None), (Fate.ABORTED, Unavailable)])
async def test_a_lost_reply_of_opening_is_resolved_by_looking(fate: Fate, refusal: type[DomainError] | None) -> None:
    rig = EngineRig()
    documents = FailingDocuments(rig.documents, lambda _: fate)
    if refusal is None:
        session = await opened(rig, documents)
        assert (await get_session(rig.documents, ANN, session.id)) == session
    else:
        with pytest.raises(refusal):
            await opened(rig, documents)


@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_lost_reply_of_deleting_is_resolved_by_looking(fate: Fate) -> None:
    rig = EngineRig()
    session = await opened(rig)
    documents = FailingDocuments(rig.documents, at_commit(0, fate))
    await delete_session(core_on(rig, documents), ANN, session.id)
    assert left_of(rig, session.id) == []


async def test_deleting_gives_up_when_the_store_never_says_what_became_of_it() -> None:
    rig = EngineRig()
    session = await opened(rig)
    with pytest.raises(Unavailable):
        await delete_session(core_on(rig, FailingDocuments(rig.documents, lambda _: Fate.ABORTED)), ANN, session.id)


@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.ABORTED])
@pytest.mark.parametrize("lost", range(1, 4))
async def test_a_removal_that_breaks_off_is_a_deletion_all_the_same(fate: Fate, lost: int) -> None:
    rig = EngineRig()
    session = await opened(rig)
    await start_run(rig.core, RunRequest(ANN, "hello", session_id=session.id))
    await rig.drain()
    documents = FailingDocuments(rig.documents, at_commit(lost, fate))
    await delete_session(core_on(rig, documents), ANN, session.id)
    assert documents.commits > lost
    with pytest.raises(NotFound):
        await get_session(rig.documents, ANN, session.id)
    await remove_deleted(rig.core, 10)
    assert left_of(rig, session.id) == []


async def test_a_run_that_is_being_started_does_not_slip_into_a_deleted_session() -> None:
    rig = EngineRig()
    session = await opened(rig)

    async def delete() -> None:
        await delete_session(rig.core, ANN, session.id)

    documents = InterferingDocuments(rig.documents, delete, before_commit=1)
    with pytest.raises(NotFound):
        await start_run(core_on(rig, documents), RunRequest(ANN, "hello", session_id=session.id))
    assert left_of(rig, session.id) == []
    assert await rig.drain() == 0


async def test_a_run_that_started_just_before_the_mark_is_cancelled() -> None:
    rig = EngineRig()
    session = await opened(rig)
    started: list[RunId] = []

    async def start() -> None:
        run = await start_run(rig.core, RunRequest(ANN, "hello", session_id=session.id))
        started.append(run.run.id)
        await begin(rig)

    documents = InterferingDocuments(rig.documents, start, before_commit=1)
    await delete_session(core_on(rig, documents), ANN, session.id)
    await rig.clock.advance(LEASE_SECONDS)
    await rig.drain()
    assert (await rig.run(started[0])).state is RunState.CANCELLED
    assert await remove_deleted(rig.core, 10) == 1
    assert left_of(rig, session.id) == []


async def begin(rig: EngineRig) -> None:
    """A worker claims the node whose task is the next, and dies; the task stays."""
    with pytest.raises(Died):
        await rig.deliver(rig.queue.pending[0], FailingDocuments(rig.documents, at_commit(0, Fate.DIES_AFTER)))


async def enqueued(rig: EngineRig, session_id: SessionId, number: int) -> list[Run]:
    """Runs of a session, of which the first was begun and the others wait."""
    asked = RunRequest(ANN, "hello", session_id=session_id, if_busy="enqueue")
    runs = [(await start_run(rig.core, asked)).run for _ in range(number)]
    await begin(rig)
    return runs


async def test_queued_runs_of_a_deleted_session_never_start() -> None:
    rig = EngineRig()
    session = await opened(rig)
    runs = await enqueued(rig, session.id, 3)
    await delete_session(rig.core, ANN, session.id)
    await rig.clock.advance(LEASE_SECONDS)
    await rig.drain()
    assert [(await rig.run(run.id)).state for run in runs] == [RunState.CANCELLED] * 3
    assert await remove_deleted(rig.core, 10) == 1
    assert rig.runner.turns == []


async def test_the_runs_of_a_session_whose_deletion_broke_off_are_cancelled_by_the_sweeper() -> None:
    rig = EngineRig()
    session = await opened(rig)
    runs = await enqueued(rig, session.id, 2)
    with pytest.raises(Died):
        await delete_session(core_on(rig, FailingDocuments(rig.documents, lambda _: Fate.DIES_AFTER)), ANN, session.id)
    assert await remove_deleted(rig.core, 10) == 0
    await rig.clock.advance(LEASE_SECONDS)
    await rig.drain()
    assert [(await rig.run(run.id)).state for run in runs] == [RunState.CANCELLED] * 2
    assert rig.runner.turns == []
    await rig.clock.advance(1)
    assert await remove_deleted(rig.core, 10) == 1
    assert left_of(rig, session.id) == []


async def test_sessions_that_are_still_active_do_not_keep_the_sweeper_from_others() -> None:
    rig = EngineRig()
    busy = await opened(rig)
    another = NewSession(busy.agent_id)
    idle = await open_session(rig.documents, rig.clock, rig.ids, Identity(ANN, "user"), another)
    await start_run(rig.core, RunRequest(ANN, "hello", session_id=busy.id))
    await begin(rig)
    rig.queue.pending.clear()
    for session in (busy, idle):
        await rig.clock.advance(1)
        died = FailingDocuments(rig.documents, lambda _: Fate.DIES_AFTER)
        with pytest.raises(Died):
            await delete_session(core_on(rig, died), ANN, session.id)
    await rig.clock.advance(1)
    assert [await remove_deleted(rig.core, 1) for _ in range(2)] == [0, 1]
    assert left_of(rig, idle.id) == []


async def test_a_run_that_is_gone_does_not_keep_its_session() -> None:
    rig = EngineRig()
    session = await opened(rig)
    await rig.documents.commit([Update(f"slots/{session.id}", {"queue": ["gone"]})])
    await delete_session(rig.core, ANN, session.id)
    with pytest.raises(NotFound):
        await get_session(rig.documents, ANN, session.id)


async def test_a_session_that_changes_while_it_is_removed_is_left_to_the_sweeper() -> None:
    rig = EngineRig()
    session = await opened(rig)

    async def touch() -> None:
        await rig.documents.commit([Update(f"slots/{session.id}", {"next_message": 5})])

    assert not await remove_session(InterferingDocuments(rig.documents, touch, before_commit=1), session.id)
    assert await remove_session(rig.documents, session.id)
