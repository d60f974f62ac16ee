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
