"""The accounts of Identity Platform: credentials, tokens, and out-of-band codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.domain.ids import Uid


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in yields.

    Args:
        uid: whose they are.
        id_token: proves the identity for `expires_in_seconds`.
        refresh_token: buys new ID tokens until it is revoked.
        expires_in_seconds: the life of the ID token.
    """

    uid: Uid
    id_token: str
    refresh_token: str
    expires_in_seconds: int


class HookRefused(Exception):
    """A blocking hook refused or failed, so nobody was signed in; whether an account remains is not known."""

    def __init__(self, code: str | None) -> None:
        """Keep the code of the domain error with which the hook refused; None where it failed otherwise."""
        super().__init__(code or "the hook failed")
        self.code = code


class Accounts(Protocol):
    """Accounts: who there is, and who may sign in.

    Every method raises `shared.domain.errors.Unavailable` when Identity Platform does not answer (what was asked may
    have happened), and `shared.domain.errors.ResourceExhausted` when it has had enough requests.
    """

    async def sign_up(self, email: str, password: str, display_name: str | None) -> Tokens:
        """Make an account and sign it in, through both hooks.

        Raises:
            shared.domain.errors.EmailTaken: an account has this address.
            shared.domain.errors.InvalidArgument: the address or the password is refused.
            HookRefused: a hook refused or failed.
        """
        ...

    async def sign_in(self, email: str, password: str) -> Tokens:
        """Sign in, through the hook.

        Raises:
            shared.domain.errors.InvalidCredentials: no such account, another password, or a disabled account.
            HookRefused: the hook refused or failed.
        """
        ...

    async def find_uid(self, email: str) -> Uid | None:
        """The account that has this address, or None."""
        ...

    async def disable(self, uid: Uid) -> None:
        """Refuse further sign-ins and revoke every refresh token.

        Raises:
            shared.domain.errors.NotFound: there is no such account.
        """
        ...

    async def enable(self, uid: Uid) -> None:
        """Admit sign-ins again.

        Raises:
            shared.domain.errors.NotFound: there is no such account.
        """
        ...

    async def delete(self, uid: Uid) -> None:
        """Delete the account, if it exists."""
        ...


class Credentials(Protocol):
    """What proves an account: its tokens, its password, and codes that are sent to its address.

    Every method raises what every method of `Accounts` raises.
    """

    async def refresh(self, refresh_token: str) -> Tokens:
        """Buy a new ID token.

        Raises:
            shared.domain.errors.InvalidCredentials: the token is unknown, expired, revoked, or of a disabled account.
        """
        ...

    async def send_password_reset(self, email: str) -> None:
        """Send a code that sets a new password to `email`. What happens without such an account looks the same."""
        ...

    async def reset_password(self, code: str, password: str) -> None:
        """Set a new password and revoke every refresh token.

        Raises:
            shared.domain.errors.InvalidArgument: the code is unknown, used or expired, or the password is refused.
        """
        ...

    async def send_email_verification(self, id_token: str) -> None:
        """Send a code that proves the address to the address of the caller.

        Raises:
            shared.domain.errors.Unauthenticated: the token is revoked or expired.
        """
        ...

    async def verify_email(self, code: str) -> None:
        """Mark the address to which `code` was sent as verified.

        Raises:
            shared.domain.errors.InvalidArgument: the code is unknown, used or expired.
        """
        ...
