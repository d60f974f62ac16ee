"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.domain.ids import Uid
from shared.domain.users import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller."""

    uid: Uid
    role: Role
    email: str | None = None
    email_verified: bool = False


class TokenVerifier(Protocol):
    """Verifies what proves a caller's identity."""

    async def verify(self, token: str) -> Identity:
        """The identity that an ID token proves.

        Raises:
            shared.domain.errors.Unauthenticated: malformed, expired, of another project, or of a
                deactivated user.
        """
        ...


class TaskTokenVerifier(Protocol):
    """Verifies that a request comes from the task queue or the scheduler."""

    async def verify(self, token: str) -> str:
        """The service account's email that an OIDC token proves.

        Raises:
            shared.domain.errors.Unauthenticated: malformed, expired, for another audience, or of an
                account that is not the queue's or the scheduler's.
        """
        ...
