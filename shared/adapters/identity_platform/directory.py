"""`Directory` on Identity Platform."""

from __future__ import annotations

from shared.adapters.identity_platform.admin import AdminSdk
from shared.domain.errors import NotFound
from shared.domain.ids import Uid


class IdentityPlatformDirectory:
    """Looks accounts up with the Admin SDK."""

    def __init__(self, admin: AdminSdk) -> None:
        """Look in the SDK's project."""
        self._admin = admin

    async def find_by_proved_email(self, email: str) -> Uid | None:
        """Who has proved this address, or None."""
        from firebase_admin import auth

        try:
            record = await self._admin.call(auth.get_user_by_email, email)
        except (NotFound, ValueError):  # the SDK's word for what is no address
            return None
        return Uid(record.uid) if record.email_verified else None
