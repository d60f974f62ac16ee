"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

_ROUNDS = 20
"""How often waiting tasks get a turn after each wake-up: enough for a few awaits of memory adapters."""


class MemoryClock:
    """A `Clock` whose sleepers wake, in order, when `advance` reaches them."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Start at `start`, aware."""
        self._start = start
        self._elapsed = 0.0
        self._order = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The present instant of this clock."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since this clock started."""
        return self._elapsed

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has been advanced by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._order, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking each sleeper at its instant and letting it run until it waits again."""
        await _settle()
        until = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            self._elapsed, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                await _settle()
        self._elapsed = until

    def jump(self, seconds: float) -> None:
        """Move on by `seconds` at once and wake nobody, like a machine that was suspended."""
        self._elapsed += seconds


async def _settle() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
