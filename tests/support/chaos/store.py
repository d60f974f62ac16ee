"""The one store of a simulated deployment: the memory adapter, each call at one instant, with somebody watching."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.writes import Write
from shared.ports.documents import Committed, Query, Snapshot
from tests.support.chaos.processes import Process

T = TypeVar("T")
Watcher = Callable[[Sequence[Write]], None]


class Store:
    """`MemoryDocuments` without its turns of the event loop: when things happen is up to the simulated network."""

    def __init__(self, clock: Process, watcher: Watcher, *, trusting: bool) -> None:
        """Keep time by `clock`; tell `watcher` of every commit that was applied; `trusting` is a faster store's."""
        self.commits = 0
        self._documents = MemoryDocuments(clock, trusting=trusting)
        self._watcher = watcher

    @property
    def paths(self) -> list[str]:
        """The paths of all documents."""
        return self._documents.paths

    def read(self, paths: Sequence[str]) -> list[Snapshot]:
        """Several documents."""
        return at_once(self._documents.get_many(paths))

    def query(self, query: Query) -> list[Snapshot]:
        """The documents that match."""
        return at_once(self._documents.query(query))

    def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all or none."""
        committed = at_once(self._documents.commit(writes))
        self.commits += 1
        self._watcher(writes)
        return committed


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that only gives way, without an event loop."""
    try:
        while True:
            work.send(None)
    except StopIteration as done:
        return done.value
