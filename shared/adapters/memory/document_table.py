"""Documents in memory, and what reading, asking and committing do to them at one instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from shared.adapters.memory.neighbours import nearest
from shared.adapters.memory.selection import select
from shared.adapters.memory.values import IMMUTABLE, stored
from shared.domain.document_limits import check_commit, check_path, check_size
from shared.domain.writes import (
    Create,
    Delete,
    Fields,
    Increment,
    Merge,
    ServerTime,
    Update,
    Write,
)
from shared.ports.documents import CommitRefused, Committed, Query, Snapshot
from shared.ports.vector_index import Near, NearestQuery

_TICK = timedelta(microseconds=1)
_Document: TypeAlias = tuple[dict[str, Any], datetime]
"""A document's fields, and when they were last changed."""


class DocumentTable:
    """Firestore's behaviour without its distance: every call takes effect at once."""

    def __init__(self, now: Callable[[], datetime], *, trusting: bool = False) -> None:
        """Start empty.

        Args:
            now: the server's clock.
            trusting: check no limits and copy nothing that is read, for a simulation that makes millions of calls;
                readers must not change what they get.
        """
        self._trusting = trusting
        self._now = now
        self._documents: dict[str, _Document] = {}
        self._collections: dict[str, dict[str, _Document]] = {}
        self._latest = now()

    @property
    def paths(self) -> list[str]:
        """The paths of all documents, sorted."""
        return sorted(self._documents)

    def read(self, paths: Sequence[str]) -> list[Snapshot]:
        """Several documents."""
        if not self._trusting:
            for path in paths:
                check_path(path)
        read_time = self._read_time()
        return [self._snapshot(path, read_time) for path in paths]

    def query(self, query: Query) -> list[Snapshot]:
        """The documents that match."""
        found = select(query, self._inside(query.collection))
        read_time = self._read_time()
        return [self._snapshot(f"{query.collection}/{id_}", read_time) for id_, _ in found]

    def nearest(self, query: NearestQuery) -> list[Near]:
        """The documents whose vectors are nearest, found by looking at every one."""
        found = nearest(query, self._inside(query.collection))
        read_time = self._read_time()
        return [Near(self._snapshot(f"{query.collection}/{id_}", read_time), distance) for id_, distance in found]

    def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none; writes to the same document apply in order."""
        if not self._trusting:
            check_commit(writes)
        instant = max(self._now(), self._latest + _TICK)
        staged: dict[str, _Document | None] = {}
        sums = tuple([self._apply(write, staged, instant) for write in writes])
        if not self._trusting:
            _check_sizes(writes, staged)
        self._latest = instant
        self._keep(staged)
        return Committed(sums, instant)

    def _inside(self, collection: str) -> Iterator[tuple[str, Fields]]:
        """The ids and fields of a collection's documents."""
        return ((id_, fields) for id_, (fields, _) in self._collections.get(collection, {}).items())

    def _read_time(self) -> datetime:
        return max(self._now(), self._latest)

    def _snapshot(self, path: str, read_time: datetime) -> Snapshot:
        document = self._documents.get(path)
        if document is None:
            return Snapshot(path, None, None, read_time)
        fields, update_time = document
        return Snapshot(path, fields if self._trusting else stored(fields), update_time, read_time)

    def _keep(self, staged: Mapping[str, _Document | None]) -> None:
        for path, document in staged.items():
            collection, _, id_ = path.rpartition("/")
            inside = self._collections.get(collection)
            if inside is None:
                inside = self._collections[collection] = {}
            if document is None:
                self._documents.pop(path, None)
                inside.pop(id_, None)
            else:
                self._documents[path] = inside[id_] = document

    def _apply(self, write: Write, staged: dict[str, _Document | None], instant: datetime) -> dict[str, int]:
        path, kind = write.path, type(write)
        original = self._documents.get(path)
        present = staged.get(path, original)
        if not _holds(write, present, original):
            raise CommitRefused(f"{kind.__name__} {path}")
        if isinstance(write, Delete):
            staged[path] = None
            return {}
        kept = present[0] if present is not None and (kind is Merge or kind is Update) else {}
        fields, sums = _written(kept, write.fields, instant)
        if present is None or present[0] != fields:
            staged[path] = fields, instant
        return sums


def _check_sizes(writes: Sequence[Write], staged: Mapping[str, _Document | None]) -> None:
    """Check what was merged; the other documents were checked as they came."""
    for path in {write.path for write in writes if isinstance(write, Merge | Update)}:
        document = staged.get(path)
        if document is not None:
            check_size(path, document[0])


def _holds(write: Write, present: _Document | None, original: _Document | None) -> bool:
    """Whether a write's conditions hold.

    What the writer saw is what was there before this commit, also for its second write to the document.
    """
    if isinstance(write, Create):
        return present is None
    if isinstance(write, Update):
        is_there, seen = present is not None, write.seen
    elif isinstance(write, Delete):
        is_there, seen = present is not None or not write.must_exist, write.seen
    else:
        return True
    return is_there and (seen is None or (original is not None and original[1] == seen))


def _written(kept: Fields, fields: Fields, instant: datetime) -> tuple[dict[str, Any], dict[str, int]]:
    """A document's fields after a write, and the sums of what it added."""
    written, sums = {**kept, **fields}, dict[str, int]()
    for name, value in fields.items():
        kind = type(value)
        if kind in IMMUTABLE:
            continue
        if kind is Increment:
            sums[name] = written[name] = _number(kept.get(name)) + value.by
        elif kind is ServerTime:
            # Firestore's server timestamps have milliseconds.
            written[name] = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
        else:
            written[name] = stored(value)
    return written, sums


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
