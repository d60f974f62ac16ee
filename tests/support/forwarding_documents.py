"""A document store in front of another: what every store that a test puts in between has in common."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.documents import Committed, Documents, Query, Snapshot


class ForwardingDocuments:
    """`Documents` that ask `inner`; a subclass overrides what it is there for. One document is read as several are."""

    def __init__(self, inner: Documents) -> None:
        """Stand in front of `inner`."""
        self.inner = inner

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents."""
        return await self.inner.get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Read what matches."""
        return await self.inner.query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit."""
        return await self.inner.commit(writes)
