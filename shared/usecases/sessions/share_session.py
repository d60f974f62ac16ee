"""Let others read a conversation: its events, runs and files."""

from __future__ import annotations

from shared.domain.errors import Aborted, Fault, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from shared.domain.ids import SessionId, Uid
from shared.domain.sessions import MAX_READERS, Session, session_path
from shared.domain.users import User
from shared.domain.writes import Update
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.usecases.grants.find_person import find_person
from shared.usecases.grants.sharing import Sharing
from shared.usecases.sessions.get_session import own, read_session

_ATTEMPTS = 10


async def add_reader(sharing: Sharing, caller: Uid, session_id: SessionId, named: str) -> tuple[User, bool]:
    """Let a person read the caller's conversation; who it is, and whether they could not before.

    Raises:
        NotFound: there is no such session for the caller.
        PermissionDenied: the caller may read the session, but it is not theirs.
        InvalidArgument: there is no such person, or they own the session.
        ResourceExhausted: as many people read it as may.
        Aborted: the session changes too fast.
        Unavailable: the store does not answer; the person may be able to read.
    """
    reader: User | None = None
    for _ in range(_ATTEMPTS):
        snapshot = await sharing.documents.get(session_path(session_id))
        session = own(read_session(snapshot, caller), caller)
        reader = reader or await find_person(sharing.documents, sharing.directory, named, "reader")
        if reader.uid in session.readers:
            return reader, False
        _check(session, reader)
        if await _store(sharing.documents, snapshot, (*session.readers, reader.uid)):
            return reader, True
    raise Aborted("the session changes too fast; try again", retry_after_seconds=1)


async def remove_reader(documents: Documents, caller: Uid, session_id: SessionId, reader: Uid) -> None:
    """Let a person no longer read a conversation, at once. Its owner may, and every reader for themselves.

    Raises:
        NotFound: there is no such session for the caller, or the person is no reader of it.
        PermissionDenied: the caller may read the session, but it is not theirs.
        Aborted: the session changes too fast.
        Unavailable: the store does not answer; the person may still be able to read.
    """
    for _ in range(_ATTEMPTS):
        snapshot = await documents.get(session_path(session_id))
        session = read_session(snapshot, caller)
        if reader != caller:
            own(session, caller)
        if reader not in session.readers:
            raise NotFound("There is no such reader.")
        if await _store(documents, snapshot, tuple(other for other in session.readers if other != reader)):
            return
    raise Aborted("the session changes too fast; try again", retry_after_seconds=1)


def _check(session: Session, reader: User) -> None:
    if reader.uid == session.owner_uid:
        raise InvalidArgument("The request is not valid.", (Fault("reader", "owns the session"),))
    if len(session.readers) >= MAX_READERS:
        raise ResourceExhausted(f"A session has {MAX_READERS} readers at most; remove one first.")


async def _store(documents: Documents, seen: Snapshot, readers: tuple[Uid, ...]) -> bool:
    try:
        await documents.commit([Update(seen.path, {"readers": list(readers)}, seen=seen.update_time)])
    except CommitRefused:
        return False
    except OutcomeUnknown:
        raise Unavailable("It is not known whether the session was shared; read it, and try again.") from None
    return True
