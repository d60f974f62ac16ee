"""A document store in which somebody else does something at a given moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from shared.domain.writes import Write
from shared.ports.documents import Committed, Documents, Query, Snapshot

Interference = Callable[[], Awaitable[object]]


class InterferingDocuments:
    """`Documents` that does something else once, before the nth commit or the nth read that it is asked for."""

    def __init__(
        self, inner: Documents, interfere: Interference, *, before_commit: int = 0, before_read: int = 0
    ) -> None:
        """Stand in front of `inner`; numbers count from 1, and 0 is never."""
        self._inner = inner
        self._interfere = interfere
        self._commits_left = before_commit
        self._reads_left = before_read

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read, after the interference if it is its turn."""
        self._reads_left -= 1
        if self._reads_left == 0:
            await self._interfere()
        return await self._inner.get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Query."""
        return await self._inner.query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit, after the interference if it is its turn."""
        self._commits_left -= 1
        if self._commits_left == 0:
            await self._interfere()
        return await self._inner.commit(writes)
