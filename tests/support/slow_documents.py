"""A document store that takes time of the test's clock for each request: it counts sequential round trips."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.clock import Clock
from shared.ports.documents import Committed, Documents, Query, Snapshot
from tests.support.forwarding_documents import ForwardingDocuments


class SlowDocuments(ForwardingDocuments):
    """`Documents` over another, a second away, or as far as it is said."""

    def __init__(self, inner: Documents, clock: Clock, seconds: float = 1) -> None:
        """Stand in front of `inner`."""
        super().__init__(inner)
        self._clock = clock
        self._seconds = seconds

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read, that much later."""
        await self._clock.sleep(self._seconds)
        return await super().get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Read, that much later."""
        await self._clock.sleep(self._seconds)
        return await super().query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit, that much later."""
        await self._clock.sleep(self._seconds)
        return await super().commit(writes)
