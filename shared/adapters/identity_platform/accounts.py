"""`Accounts` and `Credentials` on Identity Platform.

What a person does goes over REST, what an administrator does through the Admin SDK.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.rest import RestClient
from shared.domain.errors import InvalidArgument, InvalidCredentials, NotFound, ResourceExhausted
from shared.domain.ids import Uid
from shared.ports.accounts import Tokens


class IdentityPlatformAccounts:
    """The accounts of one project."""

    def __init__(self, rest: RestClient, admin: AdminSdk) -> None:
        """Use both interfaces."""
        self._rest = rest
        self._admin = admin

    async def sign_up(self, email: str, password: str, display_name: str | None) -> Tokens:
        """Make an account and sign it in."""
        body = {"email": email, "password": password, "displayName": display_name, "returnSecureToken": True}
        return _tokens_of(await self._rest.call("signUp", body))

    async def sign_in(self, email: str, password: str) -> Tokens:
        """Sign in."""
        body = {"email": email, "password": password, "returnSecureToken": True}
        try:
            return _tokens_of(await self._rest.call("signInWithPassword", body))
        except InvalidArgument as error:  # an address or password that no account can have
            raise InvalidCredentials("The credentials are wrong.") from error

    async def refresh(self, refresh_token: str) -> Tokens:
        """Buy a new ID token."""
        try:
            answer = await self._rest.buy_token(refresh_token)
        except NotFound as error:
            raise InvalidCredentials("The refresh token is not valid.") from error
        return Tokens(
            uid=Uid(answer["user_id"]),
            id_token=answer["id_token"],
            refresh_token=answer["refresh_token"],
            expires_in_seconds=int(answer["expires_in"]),
        )

    async def send_password_reset(self, email: str) -> None:
        """Send a code; a refusal is swallowed, because each of them would tell something about the account."""
        with contextlib.suppress(InvalidCredentials, InvalidArgument, NotFound, ResourceExhausted):
            await self._rest.call("sendOobCode", {"requestType": "PASSWORD_RESET", "email": email})

    async def reset_password(self, code: str, password: str) -> None:
        """Set a new password."""
        await self._rest.call("resetPassword", {"oobCode": code, "newPassword": password})

    async def send_email_verification(self, id_token: str) -> None:
        """Send a code to the caller's address."""
        await self._rest.call("sendOobCode", {"requestType": "VERIFY_EMAIL", "idToken": id_token})

    async def verify_email(self, code: str) -> None:
        """Mark the address as verified."""
        await self._rest.call("update", {"oobCode": code})

    async def find_uid(self, email: str) -> Uid | None:
        """The account that has this address."""
        from firebase_admin import auth

        try:
            record = await self._admin.call(auth.get_user_by_email, email)
        except NotFound:
            return None
        return Uid(record.uid)

    async def disable(self, uid: Uid) -> None:
        """Refuse sign-ins and revoke refresh tokens."""
        from firebase_admin import auth

        await self._admin.call(auth.update_user, uid, disabled=True)
        await self._admin.call(auth.revoke_refresh_tokens, uid)

    async def enable(self, uid: Uid) -> None:
        """Admit sign-ins again."""
        from firebase_admin import auth

        await self._admin.call(auth.update_user, uid, disabled=False)

    async def delete(self, uid: Uid) -> None:
        """Delete the account, if it exists."""
        from firebase_admin import auth

        with contextlib.suppress(NotFound):
            await self._admin.call(auth.delete_user, uid)


def _tokens_of(answer: Mapping[str, Any]) -> Tokens:
    return Tokens(
        uid=Uid(answer["localId"]),
        id_token=answer["idToken"],
        refresh_token=answer["refreshToken"],
        expires_in_seconds=int(answer["expiresIn"]),
    )
