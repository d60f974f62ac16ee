"""Read a session."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.ids import SessionId, Uid
from shared.domain.records import parse
from shared.domain.sessions import Session, session_path
from shared.ports.documents import Documents, Snapshot
from shared.usecases.read_owned import check_owner


async def get_session(documents: Documents, uid: Uid, session_id: SessionId) -> Session:
    """The session, if this person may read it.

    Raises:
        NotFound: there is no such session, it was deleted, or it is not shared with this person.
        Unavailable: the store does not answer.
    """
    return read_session(await documents.get(session_path(session_id)), uid)


async def get_own_session(documents: Documents, uid: Uid, session_id: SessionId) -> Session:
    """The session, if it is this person's own.

    Raises:
        NotFound: there is no such session, it was deleted, or it is not shared with this person.
        PermissionDenied: the person may read the session but not change it.
        Unavailable: the store does not answer.
    """
    return own(await get_session(documents, uid, session_id), uid)


def read_session(snapshot: Snapshot, uid: Uid) -> Session:
    """The session in a snapshot, if this person may read it.

    Raises:
        NotFound: there is no such session, it was deleted, or it is not shared with this person.
    """
    session = parse(Session, snapshot.fields) if snapshot.fields is not None else None
    if session is None or session.deleted_at is not None or uid not in {session.owner_uid, *session.readers}:
        raise NotFound("There is no such session.")
    return session


def own(session: Session, uid: Uid) -> Session:
    """The session, if it is this person's own.

    Raises:
        PermissionDenied: it is somebody else's.
    """
    check_owner(session, uid, "session")
    return session
