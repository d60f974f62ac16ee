"""Who delivers a task: the queue and the scheduler prove themselves by a token."""

from __future__ import annotations

from typing import Protocol


class TaskTokenVerifier(Protocol):
    """Verifies the token with which the queue or the scheduler calls."""

    async def verify(self, token: str) -> str:
        """The email address of the service account that calls.

        Raises:
            shared.domain.errors.Unauthenticated: malformed, expired, for somebody else, or of another account.
            shared.domain.errors.Unavailable: the issuer's keys cannot be read at the moment.
        """
        ...
