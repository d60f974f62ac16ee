"""Set a new password with a code that was sent to the account's address."""

from __future__ import annotations

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.users import normal_email, password_fault
from shared.ports.accounts import Credentials


async def request_password_reset(credentials: Credentials, email: str) -> None:
    """Send a code to `email`; whether an account has that address is not told."""
    await credentials.send_password_reset(normal_email(email))


async def reset_password(credentials: Credentials, code: str, password: str) -> None:
    """Set a new password; every refresh token of the account is revoked.

    Raises:
        InvalidArgument: the code is unknown, used or expired, or the password is refused.
    """
    reason = password_fault(password)
    if reason:
        raise InvalidArgument("The password is not allowed.", (Fault("password", reason),))
    await credentials.reset_password(code, password)
