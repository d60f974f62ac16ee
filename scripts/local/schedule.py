"""Calls the sweeper as Cloud Scheduler would."""

import time

import httpx
import jwt

from scripts.local.environment import StackSettings, schedule_caller

_TOKEN_SECONDS = 60
_SWEEP_SECONDS = 60


async def sweep(settings: StackSettings) -> httpx.Response:
    """Let the sweeper look once for whatever a dead process left behind.

    Raises:
        httpx.TransportError: The sweeper does not serve.
    """
    address = settings.ports.addresses["sweeper"]
    headers = {"Authorization": f"Bearer {_token(settings, address)}"}
    async with httpx.AsyncClient(trust_env=False, timeout=_SWEEP_SECONDS) as client:
        return await client.post(f"{address}/tasks/sweep", headers=headers)


def _token(settings: StackSettings, audience: str) -> str:
    """A token of the shape of Google's, signed with the stack's key."""
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "email": schedule_caller(settings.project),
        "email_verified": True,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
    }
    return jwt.encode(claims, settings.oidc_key, algorithm="HS256")
