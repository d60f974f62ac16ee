"""A document store that counts what goes through it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.documents import CommitRefused, Committed, Documents, OutcomeUnknown, Query, Snapshot


class CountedDocuments:
    """`Documents` over another; `reads` and `writes` as Firestore bills them."""

    def __init__(self, inner: Documents) -> None:
        """Start at zero."""
        self._inner = inner
        self.reads = 0
        self.writes = 0
        self.requests = 0
        self.refused = 0
        self.unknown = 0

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents."""
        self.requests += 1
        self.reads += len(paths)
        return await self._inner.get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Read what matches; an empty answer costs one read."""
        self.requests += 1
        found = await self._inner.query(query)
        self.reads += max(1, len(found))
        return found

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit, and count what became of it."""
        self.requests += 1
        try:
            committed = await self._inner.commit(writes)
        except CommitRefused:
            self.refused += 1
            raise
        except OutcomeUnknown:
            self.unknown += 1
            raise
        self.writes += len(writes)
        return committed
