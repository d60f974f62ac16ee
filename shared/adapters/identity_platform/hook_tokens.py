"""The tokens with which Identity Platform calls blocking hooks.

In production a hook's caller is whoever knows its address, so the token is the only proof: RS256, signed by Google,
issued for this project, meant for this hook, and young. The Authentication emulator signs nothing.

Source: https://cloud.google.com/identity-platform/docs/blocking-functions
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shared.domain.errors import Unauthenticated, Unavailable
from shared.domain.ids import Uid
from shared.domain.users import Account

if TYPE_CHECKING:
    from jwt import PyJWKClient

GOOGLE_KEYS_URL = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
"""The keys of the certificates that sign ID tokens and hook tokens."""

_KEYS_LIFESPAN_SECONDS = 3600
_KEYS_TIMEOUT_SECONDS = 5
ISSUER = "https://securetoken.google.com/"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]

Hook: TypeAlias = Literal["beforeCreate", "beforeSignIn"]


@dataclass(frozen=True, slots=True)
class HookCall:
    """What Identity Platform tells a hook.

    Args:
        account: the account; before its creation, as it would become.
        claims: its custom claims so far.
        method: how the person signs in, such as `password` or `google.com`.
    """

    account: Account
    claims: Mapping[str, Any]
    method: str | None


class HookTokenVerifier:
    """Verifies signed hook tokens."""

    def __init__(self, project: str, audiences: Collection[str], keys_url: str = GOOGLE_KEYS_URL) -> None:
        """Accept tokens for one of `audiences`, the addresses under which the hooks are registered."""
        self._issuer = ISSUER + project
        self._audiences = list(audiences)
        self._keys_url = keys_url

    @cached_property
    def _keys(self) -> PyJWKClient:
        from jwt import PyJWKClient

        return PyJWKClient(self._keys_url, lifespan=_KEYS_LIFESPAN_SECONDS, timeout=_KEYS_TIMEOUT_SECONDS)

    async def verify(self, token: str, hook: Hook) -> HookCall:
        """What the token says.

        Raises:
            Unauthenticated: not signed by Google, expired, or of another project, address or hook.
            Unavailable: Google's keys cannot be read.
        """
        return _call_of(await asyncio.to_thread(self._decode, token), hook)

    def _decode(self, token: str) -> Mapping[str, Any]:
        import jwt

        try:
            return jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],
                audience=self._audiences,
                issuer=self._issuer,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable("Google's keys cannot be read.") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("The hook's token is not valid.") from error


class EmulatorHookTokens:
    """Accepts the unsigned hook tokens of the Authentication emulator; never made where no emulator is set."""

    def __init__(self, project: str) -> None:
        """Accept tokens of `project`."""
        self._issuer = ISSUER + project

    async def verify(self, token: str, hook: Hook) -> HookCall:
        """What the token says.

        Raises:
            Unauthenticated: signed, expired, or of another project or hook.
        """
        import jwt

        try:
            if jwt.get_unverified_header(token).get("alg") != "none":
                raise Unauthenticated("The emulator's tokens are not signed.")
            claims = jwt.decode(
                token,
                issuer=self._issuer,
                options={
                    "verify_signature": False,
                    "verify_exp": True,
                    "verify_iss": True,
                    "require": _REQUIRED,
                },
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated("The hook's token is not valid.") from error
        return _call_of(claims, hook)


def _call_of(claims: Mapping[str, Any], hook: Hook) -> HookCall:
    if claims.get("event_type") != hook:
        raise Unauthenticated("The token is meant for another hook.")
    record = claims.get("user_record")
    uid = claims["sub"]
    if not isinstance(record, dict) or not isinstance(uid, str) or not uid or "/" in uid:
        raise Unauthenticated("The hook's token names no account.")
    facts = cast("dict[str, Any]", record)
    account = Account(
        uid=Uid(uid),
        email=facts.get("email") or None,
        email_verified=facts.get("email_verified") is True,
        display_name=facts.get("display_name") or None,
    )
    return HookCall(account, facts.get("custom_claims") or {}, claims.get("sign_in_method"))
