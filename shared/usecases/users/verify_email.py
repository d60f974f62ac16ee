"""Prove an email address with a code that was sent to it."""

from __future__ import annotations

from shared.ports.accounts import Credentials


async def request_email_verification(credentials: Credentials, id_token: str) -> None:
    """Send a code to the address of the caller, whom `id_token` proves."""
    await credentials.send_email_verification(id_token)


async def verify_email(credentials: Credentials, code: str) -> None:
    """Mark the address as verified; ID tokens say so from their next refresh on.

    Raises:
        InvalidArgument: the code is unknown, used or expired.
    """
    await credentials.verify_email(code)
