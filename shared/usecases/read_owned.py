"""What belongs to one person: nobody else changes it, and what others do not read is not there for them."""

from __future__ import annotations

from typing import Protocol, TypeVar

from shared.domain.errors import NotFound, PermissionDenied
from shared.domain.ids import Uid
from shared.domain.records import parse
from shared.ports.documents import Snapshot


class Owned(Protocol):
    """A record with one owner."""

    @property
    def owner_uid(self) -> Uid:
        """Whose it is."""
        ...


OwnedT = TypeVar("OwnedT", bound=Owned)


def read_owned(snapshot: Snapshot, kind: type[OwnedT], caller: Uid, noun: str) -> OwnedT:
    """The caller's record in a snapshot.

    Raises:
        NotFound: there is none, or it is somebody else's; the message calls it `noun`.
    """
    record = None if snapshot.fields is None else parse(kind, snapshot.fields)
    if record is None or record.owner_uid != caller:
        raise NotFound(f"There is no such {noun}.")
    return record


def check_owner(record: Owned, caller: Uid, noun: str) -> None:
    """Let nobody but its owner change a record that others may read.

    Raises:
        PermissionDenied: it is somebody else's; the message calls it `noun`.
    """
    if record.owner_uid != caller:
        raise PermissionDenied(f"Only its owner changes a {noun}.")
