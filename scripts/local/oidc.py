"""Tokens of the shape of Google's, signed with the stack's key."""

import time

import jwt

from scripts.local.environment import StackSettings


def make_token(settings: StackSettings, account: str, audience: str, seconds: int) -> str:
    """A token that proves a service account to one function, for so long."""
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "email": account,
        "email_verified": True,
        "iat": now,
        "exp": now + seconds,
    }
    return jwt.encode(claims, settings.oidc_key, algorithm="HS256")
