"""Reading people's documents, and committing to them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.errors import NotFound, Unavailable
from shared.domain.ids import Uid
from shared.domain.records import parse
from shared.domain.users import Registration, User, Username, user_path
from shared.domain.writes import Write
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot


async def get_user(documents: Documents, uid: Uid) -> User:
    """The profile of `uid`.

    Raises:
        NotFound: there is none.
    """
    return existing_user(await documents.get(user_path(uid)))


def existing_user(snapshot: Snapshot) -> User:
    """The profile in a snapshot.

    Raises:
        NotFound: there is no document.
    """
    user = user_in(snapshot)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def user_in(snapshot: Snapshot) -> User | None:
    """The profile in a snapshot, or None where there is no document."""
    return None if snapshot.fields is None else parse(User, snapshot.fields)


def username_in(snapshot: Snapshot) -> Username | None:
    """The holder of a username in a snapshot, or None where there is no document."""
    return None if snapshot.fields is None else parse(Username, snapshot.fields)


def registration_in(snapshot: Snapshot) -> Registration | None:
    """The registration in a snapshot, or None where there is no document."""
    return None if snapshot.fields is None else parse(Registration, snapshot.fields)


async def commit_or_refuse(documents: Documents, writes: Sequence[Write]) -> bool:
    """Whether the commit was applied; False when a condition did not hold.

    Raises:
        Unavailable: it is not known whether the commit was applied.
    """
    try:
        await documents.commit(writes)
    except CommitRefused:
        return False
    except OutcomeUnknown as error:
        raise Unavailable("The document store did not answer in time.") from error
    return True
