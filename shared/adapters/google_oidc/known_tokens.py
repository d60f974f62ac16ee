"""Tokens that were verified: a queue shows the same one with many tasks."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST = 256


class KnownTokens:
    """The accounts of tokens, as long as these last; in memory, and only a few.

    One whose key its issuer withdraws is good until it expires, after an hour at most: so long its keys are kept, too.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Know none; `clock` tells seconds since 1970."""
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    def account_of(self, token: str) -> str | None:
        """The account that the token was seen to prove; None when it must be verified."""
        account, expires_at = self._known.get(token, (None, 0.0))
        return account if self._clock() < expires_at else None

    def keep(self, token: str, account: str, expires_at: float) -> str:
        """Remember what a token proves; the account."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[token] = (account, expires_at)
        return account
