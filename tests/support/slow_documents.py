"""A document store that takes a second of the test's clock for each request: time counts sequential round trips."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.clock import Clock
from shared.ports.documents import Committed, Documents, Query, Snapshot


class SlowDocuments:
    """`Documents` over another, one second away."""

    def __init__(self, inner: Documents, clock: Clock) -> None:
        """Stand in front of `inner`."""
        self._inner = inner
        self._clock = clock

    async def get(self, path: str) -> Snapshot:
        """Read, a second later."""
        await self._clock.sleep(1)
        return await self._inner.get(path)

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read, a second later."""
        await self._clock.sleep(1)
        return await self._inner.get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Read, a second later."""
        await self._clock.sleep(1)
        return await self._inner.query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit, a second later."""
        await self._clock.sleep(1)
        return await self._inner.commit(writes)
