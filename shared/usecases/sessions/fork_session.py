"""Fork a session: a new one that begins as the first was at one of its events; the first goes on untouched.

It is copied in several commits. Until the last one it is a session that will be deleted soon, so nobody sees it, and
the sweeper removes what a process that died has left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from shared.domain.artifacts import COMMIT_BYTES, ArtifactVersion, plan_version, versions_path
from shared.domain.document_limits import document_bytes
from shared.domain.errors import Aborted, Fault, IdempotencyKeyReused, InvalidArgument, SessionTooLarge
from shared.domain.events import Event, event_path
from shared.domain.ids import RunId, SessionId, Uid, hashed_id
from shared.domain.records import from_json, parse, render, to_json
from shared.domain.sessions import (
    Fork,
    Message,
    Session,
    Slot,
    StateChange,
    message_path,
    messages_path,
    session_path,
    slot_path,
    state_change_path,
)
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import CommitRefused, Documents, Filter, Order, OutcomeUnknown, Query, Snapshot
from shared.usecases.artifacts.get_artifact import get_versions
from shared.usecases.artifacts.list_artifacts import every_artifact
from shared.usecases.nodes.engine import Core
from shared.usecases.sessions.get_session import own, read_session

MOST_EVENTS = 5_000
MOST_FILES = 500
MOST_BYTES = 100 * 1024 * 1024
"""What a fork copies at most: a request must be over within minutes."""
MOST_LOG_BYTES = 32 * 1024 * 1024
"""Of events, model messages and changes of the state, as Firestore counts them: all are held in memory at once."""
PAGE = 50
"""How many documents are read at once: each may have 1 MiB."""
BATCH = 200
"""How many documents are written at once, where they are small."""
COPIED_WITHIN = timedelta(minutes=15)
TRIES = 5


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """Which session to fork, and where.

    Args:
        at_seq: number of the last event to copy; the last of the session if left out. A turn is copied whole or not at
            all, so of one that was not over then nothing is.
        idempotency_key: the same key and request give the same session.
    """

    caller: Uid
    session_id: SessionId
    at_seq: int | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class _Held:
    """How much of a session is held in memory, in bytes."""

    size: int = 0

    def add(self, read: Iterable[Snapshot]) -> None:
        """Count documents that are kept.

        Raises:
            SessionTooLarge: they are too much together.
        """
        self.size += sum(document_bytes(one.path, one.fields) for one in read if one.fields is not None)
        if self.size > MOST_LOG_BYTES:
            raise SessionTooLarge(
                f"The session's log, messages and changes of state have {self.size:,} bytes or more up to there; a "
                f"session is forked with {MOST_LOG_BYTES:,} at most. Fork it at an earlier event."
            )


async def fork_session(core: Core, request: ForkRequest) -> Session:
    """Store a copy of the session as it was at an event: log, model messages, state and files.

    Raises:
        NotFound: there is no such session for the caller.
        PermissionDenied: the caller may read the session, but it is not theirs.
        InvalidArgument: the session has no such event.
        SessionTooLarge: there is more of it than can be copied; of log, messages and changes of state, nothing is then.
        IdempotencyKeyReused: the key came before with another request.
        Aborted: the session was not copied in time, or changes too fast.
        Unavailable: the store does not answer.
    """
    documents = core.documents
    found, slot_found = await documents.get_many([session_path(request.session_id), slot_path(request.session_id)])
    session = own(read_session(found, request.caller), request.caller)
    last = parse(Slot, slot_found.fields or {}).next_seq - 1
    asked = Fork(session.id, last if request.at_seq is None else request.at_seq, request.at_seq is None)
    if not 0 <= asked.at_seq <= last:
        raise InvalidArgument("The request is not valid.", (Fault("body.at_seq", f"the session has {last} events"),))
    key = request.idempotency_key
    fork_id = SessionId(core.ids.new() if key is None else hashed_id("fork", request.caller, key))
    fork, at = await _begin(documents, _draft(session, fork_id, core.clock.now()), asked)
    if fork.deleted_at is None:
        return fork
    held = _Held()
    # First: what is stored while somebody is answered belongs to a turn that is not copied.
    newest = {head.name: head.head async for head in every_artifact(documents, session.id)}
    events, after = await _events(documents, session.id, at, held)
    runs = {event.run_id for event in events}
    messages = await _messages(documents, session.id, runs, held)
    changes = await _state_changes(documents, session.id, fork.state_changes, runs, held)
    await _write_all(documents, _copies(fork, events, messages, changes))
    await _copy_files(documents, (session.id, fork.id), newest, None if after is None else after.created_at)
    fork = replace(fork, state_json=_state(fork, changes), state_changes=len(changes), deleted_at=None)
    return await _finish(documents, fork, Slot(next_seq=len(events) + 1, next_message=len(messages)))


def _draft(session: Session, fork_id: SessionId, now: datetime) -> Session:
    """The fork before it can be seen."""
    return replace(
        session,
        id=fork_id,
        readers=(),
        external_session_id=None,
        created_at=now,
        updated_at=now,
        deleted_at=now + COPIED_WITHIN,
    )


async def _begin(documents: Documents, draft: Session, asked: Fork) -> tuple[Session, int]:
    """The fork, stored as one that is to be deleted soon, or as the same request has stored it before; and at where."""
    for _ in range(TRIES):
        snapshot = await documents.get(session_path(draft.id))
        if snapshot.fields is not None:
            earlier = parse(Session, snapshot.fields)
            if earlier.fork_of is None or not earlier.fork_of.answers(asked):
                raise IdempotencyKeyReused("this Idempotency-Key came before with another request; use a new key")
            return earlier, earlier.fork_of.at_seq
        fork = replace(draft, fork_of=asked)
        try:
            await documents.commit([Create(snapshot.path, render(fork))])
        except (CommitRefused, OutcomeUnknown):
            continue
        return fork, asked.at_seq
    raise Aborted("the session could not be forked; try again", retry_after_seconds=1)


async def _events(
    documents: Documents, session_id: SessionId, wanted: int, held: _Held
) -> tuple[list[Event], Event | None]:
    """The events up to the end of the last turn that was over at `wanted`, and the one after them, if there is one."""
    if wanted > MOST_EVENTS:
        raise SessionTooLarge(f"a session is forked at one of its first {MOST_EVENTS:,} events")
    events: list[Event] = []
    for first in range(1, wanted + 2, PAGE):
        numbers = range(first, min(first + PAGE, wanted + 2))
        found = await documents.get_many([event_path(session_id, seq) for seq in numbers])
        held.add(found[: wanted + 1 - first])
        events += [parse(Event, one.fields) for one in found if one.fields is not None]
    ends = [event.seq for event in events[:wanted] if event.turn_complete]
    last = ends[-1] if ends else 0
    kept = events[:last]
    runs = {event.run_id for event in kept}
    told = [event if event.superseded_by in runs else replace(event, superseded_by=None) for event in kept]
    return told, events[last] if len(events) > last else None


async def _messages(documents: Documents, session_id: SessionId, runs: set[RunId], held: _Held) -> list[Message]:
    """The model messages of some runs, which are the first ones."""
    messages: list[Message] = []
    after: tuple[str, ...] | None = None
    while True:
        found = await documents.query(Query(messages_path(session_id), limit=PAGE, after=after))
        page = [parse(Message, one.fields) for one in found if one.fields is not None]
        messages += [message for message in page if message.run_id in runs]
        held.add(one for one, message in zip(found, page, strict=True) if message.run_id in runs)
        if len(found) < PAGE or page[-1].run_id not in runs:
            return messages
        after = (found[-1].id,)


async def _state_changes(
    documents: Documents, session_id: SessionId, count: int, runs: set[RunId], held: _Held
) -> list[StateChange]:
    """Of the first `count` changes of the state those in some runs, which are the first ones."""
    changes: list[StateChange] = []
    for first in range(1, count + 1, PAGE):
        numbers = range(first, min(first + PAGE, count + 1))
        found = await documents.get_many([state_change_path(session_id, number) for number in numbers])
        page = [parse(StateChange, one.fields or {}) for one in found]
        kept = list(takewhile(lambda change: change.run_id in runs, page))
        held.add(found[: len(kept)])
        changes += kept
        if len(kept) < len(page):
            break
    return changes


def _copies(
    fork: Session, events: Sequence[Event], messages: Sequence[Message], changes: Sequence[StateChange]
) -> Iterator[Create]:
    """The documents of the fork. None is written over: a commit that arrives late finds it answered again, perhaps."""
    for event in events:
        yield Create(event_path(fork.id, event.seq), render(event))
    for number, message in enumerate(messages):
        yield Create(message_path(fork.id, number), render(message))
    for number, change in enumerate(changes, start=1):
        yield Create(state_change_path(fork.id, number), render(change))


async def _write_all(documents: Documents, copies: Iterable[Create]) -> None:
    batch: list[Create] = []
    room = COMMIT_BYTES
    for write in copies:
        size = document_bytes(write.path, write.fields)
        if batch and (len(batch) == BATCH or size > room):
            await _create(documents, batch)
            batch, room = [], COMMIT_BYTES
        batch.append(write)
        room -= size
    if batch:
        await _create(documents, batch)


async def _create(documents: Documents, left: Sequence[Create]) -> None:
    """Create what the same request has not created before."""
    for _ in range(TRIES):
        try:
            await documents.commit(left)
        except (CommitRefused, OutcomeUnknown):
            found = await documents.get_many([write.path for write in left])
            left = [write for write, there in zip(left, found, strict=True) if there.fields is None]
            if left:
                continue
        return
    raise Aborted("the document store does not answer; try again", retry_after_seconds=1)


async def _commit(documents: Documents, writes: Sequence[Write]) -> None:
    """Commit what may be committed twice."""
    for _ in range(TRIES):
        try:
            await documents.commit(writes)
        except OutcomeUnknown:
            continue
        return
    raise Aborted("the document store does not answer; try again", retry_after_seconds=1)


async def _copy_files(
    documents: Documents, sessions: tuple[SessionId, SessionId], newest: Mapping[str, int], before: datetime | None
) -> None:
    """Copy of each file the version that was the newest before an instant, with its number and whose it is."""
    session_id, fork_id = sessions
    files = size = 0
    for name, number in newest.items():
        version = await _version_at(documents, versions_path(session_id, name), number, before)
        if version is None:
            continue
        files, size = files + 1, size + version.size_bytes
        if files > MOST_FILES or size > MOST_BYTES:
            raise SessionTooLarge(f"a session is forked with {MOST_FILES} files and {MOST_BYTES:,} bytes at most")
        (content,) = await get_versions(documents, session_id, [(version.name, version.version)])
        for writes in plan_version(fork_id, version, content.content, None):
            try:
                await _commit(documents, writes)
            except CommitRefused:  # the same request has copied it before
                continue


async def _version_at(
    documents: Documents, versions: str, newest: int, before: datetime | None
) -> ArtifactVersion | None:
    """The newest version from before an instant; the one of this number if there is none."""
    older = Filter("version", "<=", newest) if before is None else Filter("created_at", "<", before)
    order = (Order("version", descending=True),)
    found = await documents.query(Query(versions, (older,), order, limit=1))
    return parse(ArtifactVersion, found[0].fields or {}) if found else None


def _state(fork: Session, changes: Sequence[StateChange]) -> str:
    """The state after some changes: what the session began with, and what tools have set since."""
    state: dict[str, Any] = from_json(fork.first_state_json) or {}
    for change in changes:
        state |= from_json(change.values_json)
    return to_json({key: value for key, value in state.items() if value is not None})


async def _finish(documents: Documents, fork: Session, slot: Slot) -> Session:
    """Show the fork, unless it is being removed; the same request may have done so before."""
    visible = {"deleted_at": None, "state_json": fork.state_json, "state_changes": fork.state_changes}
    for _ in range(TRIES):
        found = await documents.get(session_path(fork.id))
        deleted_at = found.read_time if found.fields is None else found.fields["deleted_at"]
        if deleted_at is None:
            return fork
        if deleted_at <= found.read_time:
            raise Aborted("the session was not copied in time; try again")
        shown = Update(found.path, visible, seen=found.update_time)
        try:
            await documents.commit([shown, Create(slot_path(fork.id), render(slot))])
        except (CommitRefused, OutcomeUnknown):
            continue
        return fork
    raise Aborted("the session changes too fast; try again", retry_after_seconds=1)
