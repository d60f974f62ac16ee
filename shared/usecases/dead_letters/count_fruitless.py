"""Count the sweeps that found the same undone, until a person should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.domain.dead_letters import (
    MAX_FRUITLESS,
    SUSPECTS_KEPT,
    DeadLetterKind,
    bury,
    dead_letter_id,
    dead_letter_path,
    suspect_path,
)
from shared.domain.ids import Uid
from shared.domain.writes import Delete, Put, Write
from shared.ports.documents import Documents
from shared.usecases.try_commit import try_commit


@dataclass(frozen=True, slots=True)
class Undone:
    """What a sweep found, and hands on once more.

    Args:
        mark: changes as soon as anything of it was done.
        reason: what a person is told.
    """

    kind: DeadLetterKind
    owner_uid: Uid
    subject: Mapping[str, str]
    mark: str
    reason: str


async def count_fruitless(documents: Documents, undone: Undone, now: datetime) -> bool:
    """Note that a sweep found this; whether a person is asked now, because sweeps did not help.

    Raises:
        Unavailable: the store does not answer.
    """
    letter_id = dead_letter_id(undone.kind, undone.subject)
    before = (await documents.get(suspect_path(letter_id))).fields
    again = before is not None and before["mark"] == undone.mark
    sweeps = 1 + (before["sweeps"] if before is not None and again else 0)
    noted = {
        "owner_uid": undone.owner_uid,
        "mark": undone.mark,
        "sweeps": sweeps,
        "expires_at": now + SUSPECTS_KEPT,
    }
    writes: list[Write] = [Put(suspect_path(letter_id), noted)]
    if sweeps == MAX_FRUITLESS:
        writes.append(bury(undone.kind, undone.owner_uid, undone.subject, undone.reason, now))
    elif not again:
        writes.append(Delete(dead_letter_path(letter_id)))  # it moved after all
    if not await try_commit(documents, writes):
        return False  # the next sweep counts
    return sweeps >= MAX_FRUITLESS
