"""Commit what somebody else does too, or what is done again later."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown


async def try_commit(documents: Documents, writes: Sequence[Write]) -> bool:
    """Whether the commit is known to be applied; where it was refused, or nobody knows, somebody looks again.

    Raises:
        Unavailable: the store does not answer.
    """
    try:
        await documents.commit(writes)
    except (CommitRefused, OutcomeUnknown):
        return False
    return True
