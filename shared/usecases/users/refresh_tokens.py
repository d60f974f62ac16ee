"""Buy a new ID token with a refresh token."""

from __future__ import annotations

from shared.ports.accounts import Credentials, Tokens


async def refresh_tokens(credentials: Credentials, refresh_token: str) -> Tokens:
    """New tokens.

    Raises:
        InvalidCredentials: the refresh token is unknown, expired, revoked, or of a deactivated account.
    """
    return await credentials.refresh(refresh_token)
