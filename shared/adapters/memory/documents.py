"""The document store in memory: Firestore's behaviour, for unit tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.document_table import DocumentTable
from shared.domain.writes import Write
from shared.ports.clock import Clock
from shared.ports.documents import Committed, Query, Snapshot
from shared.ports.vector_index import Near, NearestQuery


class MemoryDocuments:
    """`Documents` and `VectorIndex` in memory.

    Each call gives way once, so that concurrent callers interleave as over a network.
    """

    observe: ClassVar[Callable[[Query], None] | None] = None
    """Called with each query of every instance: how tests check the queries' indexes."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Start empty; `clock` is the server's."""
        self._table = DocumentTable((clock or MemoryClock()).now)

    @property
    def paths(self) -> list[str]:
        """The paths of all documents, sorted."""
        return self._table.paths

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents at one instant."""
        await asyncio.sleep(0)
        return self._table.read(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match."""
        if MemoryDocuments.observe is not None:
            MemoryDocuments.observe(query)
        await asyncio.sleep(0)
        return self._table.query(query)

    async def nearest(self, query: NearestQuery) -> list[Near]:
        """Find the documents whose vectors are nearest, by looking at every one (`VectorIndex`)."""
        await asyncio.sleep(0)
        return self._table.nearest(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none; writes to the same document apply in order."""
        await asyncio.sleep(0)
        committed = self._table.commit(writes)
        await asyncio.sleep(0)
        return committed
