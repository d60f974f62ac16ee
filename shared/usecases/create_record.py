"""Create a record under a new id, which nobody else can have used."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.errors import Unavailable
from shared.domain.writes import Create
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown


async def create_record(documents: Documents, creates: Sequence[Create], name: str) -> None:
    """Commit what makes the record, which is the first; that its reply was lost does not matter.

    Args:
        documents: the store.
        creates: the record, and what begins with it.
        name: what the caller calls it: `schedule`.

    Raises:
        Unavailable: the store does not answer, or has not stored it, though it may yet.
    """
    try:
        await documents.commit(creates)
    except (CommitRefused, OutcomeUnknown):
        if not (await documents.get(creates[0].path)).exists:
            raise Unavailable(f"The {name} was not stored; try again.") from None
