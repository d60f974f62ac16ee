"""Let others read what somebody owns: the one way for conversations and for collections of knowledge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.domain.errors import (
    Aborted,
    Fault,
    InvalidArgument,
    NotFound,
    TooManyKept,
    Unavailable,
)
from shared.domain.ids import Uid
from shared.domain.users import User
from shared.domain.writes import Update
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.usecases.grants.find_person import find_person
from shared.usecases.grants.sharing import Sharing
from shared.usecases.read_owned import Owned, check_owner

_ATTEMPTS = 10


class Readable(Owned, Protocol):
    """What has an owner, and readers besides."""

    @property
    def readers(self) -> tuple[Uid, ...]:
        """Who else reads it."""
        ...


@dataclass(frozen=True, slots=True)
class Shelved:
    """One readable thing in the store.

    Args:
        noun: what people call it: `session`.
        path: where it is; its field `readers` lists them.
        read: it, of its snapshot, for somebody who may read it; raises NotFound for anybody else.
        most: how many readers it has at most.
    """

    noun: str
    path: str
    read: Callable[[Snapshot, Uid], Readable]
    most: int


async def add_reader_of(sharing: Sharing, shelved: Shelved, caller: Uid, named: str) -> tuple[User, bool]:
    """Let a person read what is the caller's; who it is, and whether they could not before.

    Raises:
        NotFound: there is no such thing for the caller.
        PermissionDenied: the caller may read it, but it is not theirs.
        InvalidArgument: there is no such person, or they own it.
        TooManyKept: as many people read it as may.
        Aborted: it changes too fast.
        Unavailable: the store does not answer; the person may be able to read.
    """
    reader: User | None = None
    for _ in range(_ATTEMPTS):
        snapshot = await sharing.documents.get(shelved.path)
        found = _own(shelved, snapshot, caller)
        reader = reader or await find_person(sharing.documents, sharing.directory, named, "reader")
        if reader.uid in found.readers:
            return reader, False
        _check(shelved, found, reader)
        if await _store(sharing.documents, shelved, snapshot, (*found.readers, reader.uid)):
            return reader, True
    raise _too_fast(shelved)


async def remove_reader_of(documents: Documents, shelved: Shelved, caller: Uid, reader: Uid) -> None:
    """Let a person read it no longer, at once. Its owner may, and every reader for themselves.

    Raises:
        NotFound: there is no such thing for the caller, or the person is no reader of it.
        PermissionDenied: the caller may read it, but it is not theirs.
        Aborted: it changes too fast.
        Unavailable: the store does not answer; the person may still be able to read.
    """
    for _ in range(_ATTEMPTS):
        snapshot = await documents.get(shelved.path)
        found = shelved.read(snapshot, caller) if reader == caller else _own(shelved, snapshot, caller)
        if reader not in found.readers:
            raise NotFound("There is no such reader.")
        left = tuple(other for other in found.readers if other != reader)
        if await _store(documents, shelved, snapshot, left):
            return
    raise _too_fast(shelved)


def _own(shelved: Shelved, snapshot: Snapshot, caller: Uid) -> Readable:
    found = shelved.read(snapshot, caller)
    check_owner(found, caller, shelved.noun)
    return found


def _check(shelved: Shelved, found: Readable, reader: User) -> None:
    if reader.uid == found.owner_uid:
        raise InvalidArgument("The request is not valid.", (Fault("reader", f"owns the {shelved.noun}"),))
    if len(found.readers) >= shelved.most:
        raise TooManyKept(f"A {shelved.noun} has {shelved.most} readers at most; remove one first.")


async def _store(documents: Documents, shelved: Shelved, seen: Snapshot, readers: tuple[Uid, ...]) -> bool:
    try:
        await documents.commit([Update(seen.path, {"readers": list(readers)}, seen=seen.update_time)])
    except CommitRefused:
        return False
    except OutcomeUnknown:
        message = f"It is not known whether the {shelved.noun} was shared; read it, and try again."
        raise Unavailable(message) from None
    return True


def _too_fast(shelved: Shelved) -> Aborted:
    return Aborted(f"the {shelved.noun} changes too fast; try again", retry_after_seconds=1)
