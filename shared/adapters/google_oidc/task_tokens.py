"""Verifies the OIDC tokens that Cloud Tasks and Cloud Scheduler put on their requests, and the local queue's.

Source: https://cloud.google.com/tasks/docs/creating-http-target-tasks#token
Source: https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.adapters.google_oidc.known_tokens import KnownTokens
from shared.domain.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    from jwt import PyJWKClient

GOOGLE_KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs"
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_KEYS_LIFESPAN_SECONDS = 3600
_KEYS_TIMEOUT_SECONDS = 5
_LEEWAY_SECONDS = 10


class GoogleTaskTokens:
    """`TaskTokenVerifier` for tokens that Google signed (RS256)."""

    def __init__(self, audience: str, service_accounts: Collection[str], keys_url: str = GOOGLE_KEYS_URL) -> None:
        """Accept only tokens for `audience` (the function's URL) of one of the accounts (email addresses)."""
        self._audience = audience
        self._service_accounts = frozenset(service_accounts)
        self._keys_url = keys_url
        self._known = KnownTokens()

    @cached_property
    def _keys(self) -> PyJWKClient:
        from jwt import PyJWKClient

        return PyJWKClient(self._keys_url, lifespan=_KEYS_LIFESPAN_SECONDS, timeout=_KEYS_TIMEOUT_SECONDS)

    async def verify(self, token: str) -> str:
        """The account that a token proves."""
        from jwt.exceptions import PyJWKClientConnectionError, PyJWTError

        if (account := self._known.account_of(token)) is not None:
            return account
        try:
            # The keys are fetched with blocking calls, once an hour.
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
        except PyJWKClientConnectionError as error:
            raise Unavailable("the keys of the tokens' issuer cannot be read") from error
        except PyJWTError as error:
            raise Unauthenticated("the token is not Google's") from error
        account, expires_at = _account(token, key.key, "RS256", self._audience, self._service_accounts)
        return self._known.keep(token, account, expires_at)


class LocalTaskTokens:
    """`TaskTokenVerifier` for the local queue's tokens, signed with a shared key (HS256).

    To be made only where an emulator's variable is set: who knows the key is the queue.
    """

    def __init__(self, key: str, audience: str, service_accounts: Collection[str]) -> None:
        """Accept only tokens for `audience` of one of the accounts, signed with `key`.

        Raises:
            ValueError: the key is empty.
        """
        if not key:
            raise ValueError("an empty key signs nothing")
        self._key = key
        self._audience = audience
        self._service_accounts = frozenset(service_accounts)
        self._known = KnownTokens()

    async def verify(self, token: str) -> str:
        """The account that a token proves."""
        if (account := self._known.account_of(token)) is not None:
            return account
        account, expires_at = _account(token, self._key, "HS256", self._audience, self._service_accounts)
        return self._known.keep(token, account, expires_at)


def _account(token: str, key: Any, algorithm: str, audience: str, accounts: Collection[str]) -> tuple[str, float]:
    """The account, and when the token expires."""
    import jwt

    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=_ISSUERS,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "aud", "iss"]},
        )
    except jwt.PyJWTError as error:
        raise Unauthenticated("the token is expired, for somebody else, or not well signed") from error
    email = claims.get("email")
    if not isinstance(email, str) or email not in accounts or claims.get("email_verified") is not True:
        raise Unauthenticated("the token is of an account that may not call this")
    return email, claims["exp"]
