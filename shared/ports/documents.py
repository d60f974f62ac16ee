"""The document store: reads, queries, and atomic commits of conditional writes (Firestore's model)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from shared.domain.writes import Fields, Write

Operator: TypeAlias = Literal["==", "<", "<=", ">", ">=", "in", "array_contains"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document as it was at `read_time`; `fields` and `update_time` are None where there was none."""

    path: str
    fields: Fields | None
    update_time: datetime | None
    read_time: datetime

    @property
    def exists(self) -> bool:
        """Whether there was a document."""
        return self.fields is not None

    @property
    def id(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a top-level field."""

    field: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key; the document's id is always the last key, in the same direction."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query over one collection.

    Args:
        collection: path of the collection.
        where: conditions, all of which must hold.
        order_by: sort keys; a document that lacks one of them is left out.
        limit: the most documents to return.
        after: a cursor: the values of the sort keys and then the id of the last document of the page before.
    """

    collection: str
    where: tuple[Filter, ...] = ()
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """An applied commit.

    Args:
        sums: for each write, the new values of its `Increment` fields (by name).
        update_time: that of every document which it changed; None where there is none left.
    """

    sums: tuple[Mapping[str, int], ...]
    update_time: datetime | None = None


class CommitRefused(Exception):
    """Nothing was written: a document was there or missing against the condition, or had changed."""


class OutcomeUnknown(Exception):
    """The store did not answer in time or broke off: the commit may or may not have been applied."""


class Documents(Protocol):
    """Reads and atomic commits. Reads raise `shared.domain.errors.StoreUnavailable` when the store does not answer."""

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        ...

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents at one instant in one round trip, in the order of `paths`."""
        ...

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match."""
        ...

    def commit(self, writes: Sequence[Write]) -> Awaitable[Committed]:
        """Apply all writes (at most 500) or none, without any retry of its own.

        Raises:
            CommitRefused: a condition did not hold; nothing was written.
            OutcomeUnknown: it is not known whether the commit was applied.
        """
        ...
