"""A topic in memory that a test delivers from by hand."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.errors import Unavailable
from shared.domain.facts import FactId


class MemoryFactTopic:
    """`FactTopic` in memory: keeps what was published until a test takes it."""

    def __init__(self) -> None:
        """Start empty."""
        self.published: list[FactId] = []
        """Every id that was accepted, in order."""
        self.pending: list[FactId] = []
        """What is still to be delivered."""
        self._failures = 0

    async def publish(self, facts: Sequence[FactId]) -> None:
        """Accept ids."""
        if self._failures:
            self._failures -= 1
            raise Unavailable("the topic does not answer")
        self.published += facts
        self.pending += facts

    def fail_next(self, times: int = 1) -> None:
        """Refuse the next calls of `publish`."""
        self._failures = times
