"""The one store of a simulated deployment: the memory adapter's documents, with somebody watching."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.adapters.memory.document_table import DocumentTable
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.writes import Write
from shared.ports.documents import Committed, Query, Snapshot
from tests.support.chaos.processes import Process

Watcher = Callable[[Sequence[Write]], None]


class Store:
    """What is behind `MemoryDocuments`, at one instant: when things happen is up to the simulated network."""

    def __init__(self, clock: Process, watcher: Watcher, *, trusting: bool) -> None:
        """Keep time by `clock`; tell `watcher` of every commit that was applied; `trusting` is a faster store's."""
        self.commits = 0
        self._documents = DocumentTable(clock.now, trusting=trusting)
        self._watcher = watcher

    @property
    def paths(self) -> list[str]:
        """The paths of all documents."""
        return self._documents.paths

    def read(self, paths: Sequence[str]) -> list[Snapshot]:
        """Several documents."""
        return self._documents.read(paths)

    def query(self, query: Query) -> list[Snapshot]:
        """The documents that match."""
        if MemoryDocuments.observe is not None:
            MemoryDocuments.observe(query)
        return self._documents.query(query)

    def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all or none."""
        committed = self._documents.commit(writes)
        self.commits += 1
        self._watcher(writes)
        return committed
