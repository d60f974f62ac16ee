"""Delete a session with all that is below it.

Writes below a deleted parent succeed. So the session is marked first, which lets no new run in, its
runs are cancelled, and the tree is removed when none of them is active: at once, or by the sweeper.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial

from shared.domain.artifacts import artifacts_path
from shared.domain.errors import NotFound
from shared.domain.events import events_path
from shared.domain.ids import RunId, SessionId, Uid
from shared.domain.records import parse
from shared.domain.sessions import Slot, messages_path, session_path, slot_path, state_changes_path
from shared.domain.writes import Delete, Update
from shared.ports.documents import CommitRefused, Documents, Filter, Order, OutcomeUnknown, Query, Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.sessions.get_session import own, read_session
from shared.usecases.sweep_each import Report, surface, sweep_each
from shared.usecases.try_commit import try_commit

BATCH = 300


async def delete_session(core: Core, uid: Uid, session_id: SessionId) -> None:
    """Take the session out of sight, cancel its runs, and remove it as soon as none is active.

    Raises:
        NotFound: there is no such session for this person.
        PermissionDenied: the person may read the session but not delete it.
        Aborted: the session changes too fast.
        Unavailable: the store does not answer.
    """
    slot = await _mark(core, uid, session_id)
    await _cancel_all(core, uid, slot)
    await remove_session(core.documents, session_id)


async def remove_deleted(core: Core, limit: int, report: Report = surface) -> int:
    """Remove sessions that were deleted while a run was active, and half-made copies; how many are gone now.

    Who deleted one may have died before cancelling its runs, so they are cancelled first. One that is not gone yet
    makes room for the others.

    Raises:
        Unavailable: the store or the queue does not answer; the next sweep goes on.
    """
    marked = Query(
        "sessions",
        (Filter("deleted_at", ">", datetime(2000, 1, 1, tzinfo=UTC)),),
        (Order("deleted_at"),),
        limit=limit,
    )
    found = await core.documents.query(marked)
    due = [one for one in found if (one.fields or {})["deleted_at"] <= one.read_time]
    return sum(await sweep_each(due, partial(_remove, core), partial(_put_off, core), report))


async def _remove(core: Core, session: Snapshot) -> bool:
    """Remove a session that was deleted, once none of its runs is active; whether it is gone.

    It is marked as being removed, because a copy of another session may be finished at this instant.
    """
    if not await _put_off(core, session):
        return False
    slot = parse(Slot, (await core.documents.get(slot_path(SessionId(session.id)))).fields or {})
    await _cancel_all(core, Uid((session.fields or {})["owner_uid"]), slot)
    return await remove_session(core.documents, SessionId(session.id))


async def _put_off(core: Core, session: Snapshot, _error: Exception | None = None) -> bool:
    """Let sessions that were deleted after this one come first; whether it is still the one that was found."""
    last = Update(session.path, {"deleted_at": session.read_time}, seen=session.update_time)
    return await try_commit(core.documents, [last])


async def remove_session(documents: Documents, session_id: SessionId) -> bool:
    """Remove the tree of a session that is marked as deleted; False while a run is active in it."""
    snapshot = await documents.get(slot_path(session_id))
    slot = parse(Slot, snapshot.fields or {})
    if slot.run_id is not None or slot.queue:
        return False
    try:
        async for paths in _below(documents, session_id):
            await documents.commit([Delete(path) for path in paths])
        await documents.commit(
            (Delete(slot_path(session_id), seen=snapshot.update_time), Delete(session_path(session_id)))
        )
    except (CommitRefused, OutcomeUnknown):
        return False  # looked at again by the sweeper
    return True


async def _mark(core: Core, uid: Uid, session_id: SessionId) -> Slot:
    """Mark the session as deleted. The slot changes too, so that a run which is being started is refused."""
    now = core.clock.now()

    async def mark(session: Snapshot) -> Change[Slot]:
        slot = await core.documents.get(slot_path(session_id))
        found = parse(Slot, slot.fields or {})
        if session.fields is not None and session.fields["deleted_at"] == now:
            return Change(found)
        own(read_session(session, uid), uid)
        session_is = Update(session.path, {"deleted_at": now}, seen=session.update_time)
        return Change(found, [session_is, Update(slot.path, {"closed_at": now}, seen=slot.update_time)])

    return await change_record(core.documents, core.clock, session_path(session_id), mark)


async def _cancel_all(core: Core, uid: Uid, slot: Slot) -> None:
    """Cancel what waits for a session first, so that none of it begins, then what is active."""
    for run_id in (*slot.queue, *([slot.run_id] if slot.run_id else [])):
        await _cancel(core, uid, run_id)


async def _cancel(core: Core, uid: Uid, run_id: RunId) -> None:
    try:
        await cancel_run(core, uid, run_id)
    except NotFound:
        return  # a run that is gone needs no cancelling


async def _below(documents: Documents, session_id: SessionId) -> AsyncIterator[Sequence[str]]:
    """The paths of everything below a session, in batches, what is deepest first."""
    async for artifacts in _batches(documents, artifacts_path(session_id)):
        for artifact in artifacts:
            async for versions in _batches(documents, f"{artifact}/versions"):
                for version in versions:
                    async for chunks in _batches(documents, f"{version}/chunks"):
                        yield chunks
                yield versions
        yield artifacts
    asked = (Filter("session_id", "==", str(session_id)),)
    own = [(path(session_id), ()) for path in (events_path, messages_path, state_changes_path)]
    for collection, where in (*own, ("approvals", asked)):
        async for paths in _batches(documents, collection, *where):
            yield paths


async def _batches(documents: Documents, collection: str, *where: Filter) -> AsyncIterator[Sequence[str]]:
    """The documents of a collection, batch by batch, while whoever asks deletes them."""
    while paths := [found.path for found in await documents.query(Query(collection, where, limit=BATCH))]:
        yield paths
