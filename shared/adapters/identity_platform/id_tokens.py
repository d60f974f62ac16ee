"""`TokenVerifier` for Firebase ID tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.identity_platform.admin import AdminSdk
from shared.domain.errors import Unauthenticated
from shared.domain.ids import Uid
from shared.domain.users import ROLES, Role, deactivation_path
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.identity import Identity


class IdTokenVerifier:
    """Verifies signature, life and project with the Admin SDK, and that the account is not deactivated.

    The second costs one document read, and is why a deactivation takes hold at once: Google's own check for revoked
    tokens is a slower call to Identity Platform.
    """

    def __init__(self, admin: AdminSdk, documents: Documents, clock: Clock) -> None:
        """Verify tokens of the SDK's project."""
        self._admin = admin
        self._documents = documents
        self._clock = clock

    async def verify(self, token: str) -> Identity:
        """The identity that an ID token proves.

        Raises:
            Unauthenticated: malformed, expired, of another project, or of a deactivated user.
        """
        try:
            claims = await self._admin.verify_id_token(token)
            identity = _identity_of(claims)
            self._check_life(claims)
        except (ValueError, TypeError, KeyError) as error:
            raise Unauthenticated("The ID token is not valid; sign in again.") from error
        deactivation = await self._documents.get(deactivation_path(identity.uid))
        if deactivation.exists:
            raise Unauthenticated("The account has been deactivated.")
        return identity

    def _check_life(self, claims: Mapping[str, Any]) -> None:
        """Refuse expired tokens here too: against the emulator the SDK looks at neither signature nor expiry."""
        if float(claims["exp"]) <= self._clock.now().timestamp():
            raise ValueError("expired")


def _identity_of(claims: Mapping[str, Any]) -> Identity:
    uid = str(claims["sub"])
    if not uid or "/" in uid:
        raise ValueError("not the id of a user")  # it would name another document
    email = claims.get("email")
    return Identity(
        uid=Uid(uid),
        role=_role_of(claims.get("role")),
        email=email if isinstance(email, str) else None,
        email_verified=claims.get("email_verified") is True,
    )


def _role_of(claim: Any) -> Role:
    """The role in a token; whoever has an unknown one, or none yet, is a user."""
    for role in ROLES:
        if role == claim:
            return role
    return "user"
