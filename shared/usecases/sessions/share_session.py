"""Let others read a conversation: its events, runs and files."""

from __future__ import annotations

from shared.domain.ids import SessionId, Uid
from shared.domain.sessions import MAX_READERS, session_path
from shared.domain.users import User
from shared.ports.documents import Documents
from shared.usecases.grants.share_reading import Shelved, add_reader_of, remove_reader_of
from shared.usecases.grants.sharing import Sharing
from shared.usecases.sessions.get_session import read_session


async def add_reader(sharing: Sharing, caller: Uid, session_id: SessionId, named: str) -> tuple[User, bool]:
    """Let a person read the caller's conversation; who it is, and whether they could not before.

    Raises:
        shared.domain.errors.DomainError: as `add_reader_of`.
    """
    return await add_reader_of(sharing, _shelved(session_id), caller, named)


async def remove_reader(documents: Documents, caller: Uid, session_id: SessionId, reader: Uid) -> None:
    """Let a person no longer read a conversation, at once. Its owner may, and every reader for themselves.

    Raises:
        shared.domain.errors.DomainError: as `remove_reader_of`.
    """
    await remove_reader_of(documents, _shelved(session_id), caller, reader)


def _shelved(session_id: SessionId) -> Shelved:
    return Shelved("session", session_path(session_id), read_session, MAX_READERS)
