"""Buy a new ID token with a refresh token."""

from __future__ import annotations

from shared.ports.accounts import Accounts, Tokens


async def refresh_tokens(accounts: Accounts, refresh_token: str) -> Tokens:
    """New tokens.

    Raises:
        InvalidCredentials: the refresh token is unknown, expired, revoked, or of a deactivated account.
    """
    return await accounts.refresh(refresh_token)
