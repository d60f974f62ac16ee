"""The document store in memory: Firestore's behaviour, for unit tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.neighbours import nearest
from shared.adapters.memory.selection import select
from shared.adapters.memory.values import stored
from shared.domain.document_limits import check_commit, check_path, check_size
from shared.domain.writes import (
    Create,
    Delete,
    Fields,
    Increment,
    Merge,
    Put,
    ServerTime,
    Update,
    Write,
)
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Committed, Query, Snapshot
from shared.ports.vector_index import Near, NearestQuery

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Document:
    fields: dict[str, Any]
    update_time: datetime


class MemoryDocuments:
    """`Documents` and `VectorIndex` in memory.

    Each call gives way once, so that concurrent callers interleave as over a network.
    """

    observe: ClassVar[Callable[[Query], None] | None] = None
    """Called with each query of every instance: how tests check the queries' indexes."""

    def __init__(self, clock: Clock | None = None, *, trusting: bool = False) -> None:
        """Start empty.

        Args:
            clock: the server's.
            trusting: check no limits and copy nothing that is read, for a simulation that makes millions of calls;
                readers must not change what they get.
        """
        self._trusting = trusting
        self._clock = clock or MemoryClock()
        self._documents: dict[str, _Document] = {}
        self._collections: dict[str, dict[str, _Document]] = {}
        self._latest = self._clock.now()

    @property
    def paths(self) -> list[str]:
        """The paths of all documents, sorted."""
        return sorted(self._documents)

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents at one instant."""
        for path in paths:
            check_path(path)
        await asyncio.sleep(0)
        return [self._snapshot(path) for path in paths]

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match."""
        if MemoryDocuments.observe is not None:
            MemoryDocuments.observe(query)
        await asyncio.sleep(0)
        found = select(query, self._inside(query.collection))
        return [self._snapshot(f"{query.collection}/{id_}") for id_, _ in found]

    async def nearest(self, query: NearestQuery) -> list[Near]:
        """Find the documents whose vectors are nearest, by looking at every one (`VectorIndex`)."""
        await asyncio.sleep(0)
        found = nearest(query, self._inside(query.collection))
        return [Near(self._snapshot(f"{query.collection}/{id_}"), distance) for id_, distance in found]

    def _inside(self, collection: str) -> Iterator[tuple[str, Fields]]:
        """The ids and fields of a collection's documents."""
        for id_, document in self._collections.get(collection, {}).items():
            yield id_, document.fields

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none; writes to the same document apply in order."""
        if not self._trusting:
            check_commit(writes)
        await asyncio.sleep(0)
        instant = max(self._clock.now(), self._latest + _TICK)
        staged: dict[str, _Document | None] = {}
        sums = tuple(self._apply(write, staged, instant) for write in writes)
        if not self._trusting:
            _check_sizes(writes, staged)
        self._latest = instant
        self._keep(staged)
        await asyncio.sleep(0)
        return Committed(sums)

    def _snapshot(self, path: str) -> Snapshot:
        read_time = max(self._clock.now(), self._latest)
        document = self._documents.get(path)
        if document is None:
            return Snapshot(path, None, None, read_time)
        fields = document.fields if self._trusting else stored(document.fields)
        return Snapshot(path, fields, document.update_time, read_time)

    def _keep(self, staged: dict[str, _Document | None]) -> None:
        for path, document in staged.items():
            collection, _, id_ = path.rpartition("/")
            if document is None:
                self._documents.pop(path, None)
                self._collections.get(collection, {}).pop(id_, None)
            else:
                self._documents[path] = document
                self._collections.setdefault(collection, {})[id_] = document

    def _apply(self, write: Write, staged: dict[str, _Document | None], instant: datetime) -> dict[str, int]:
        original = self._documents.get(write.path)
        present = staged.get(write.path, original)
        _check_condition(write, present, original)
        if isinstance(write, Delete):
            staged[write.path] = None
            return {}
        kept = present.fields if present and isinstance(write, Merge | Update) else {}
        fields, sums = _written(kept, write.fields, instant)
        if present is None or present.fields != fields:
            staged[write.path] = _Document(fields, instant)
        return sums


def _check_sizes(writes: Sequence[Write], staged: Mapping[str, _Document | None]) -> None:
    """Check what was merged; the other documents were checked as they came."""
    for path in {write.path for write in writes if isinstance(write, Merge | Update)}:
        document = staged.get(path)
        if document is not None:
            check_size(path, document.fields)


def _check_condition(write: Write, present: _Document | None, original: _Document | None) -> None:
    holds, seen = True, None
    match write:
        case Create():
            holds = present is None
        case Update():
            holds, seen = present is not None, write.seen
        case Delete():
            holds, seen = present is not None or not write.must_exist, write.seen
        case Put() | Merge():
            pass
    # What the writer saw is what was there before this commit, also for its second write to the document.
    unchanged = seen is None or (original is not None and original.update_time == seen)
    if not (holds and unchanged):
        raise CommitRefused(f"{type(write).__name__} {write.path}")


def _written(kept: dict[str, Any], fields: Fields, instant: datetime) -> tuple[dict[str, Any], dict[str, int]]:
    written, sums = dict(kept), dict[str, int]()
    for name, value in fields.items():
        match value:
            case ServerTime():
                # Firestore's server timestamps have milliseconds.
                written[name] = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
            case Increment():
                sums[name] = written[name] = _number(kept.get(name)) + value.by
            case _:
                written[name] = stored(value)
    return written, sums


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
