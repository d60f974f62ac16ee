"""What an atomic commit may contain: plain data, so that pure functions can decide what to write.

A path is `collection/id[/collection/id…]`. A commit is a sequence of writes that is applied as a whole or refused as a
whole; `shared.ports.documents.Documents` executes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
"""A document's fields: None, bool, int, float, str, bytes, aware datetimes, vectors, and lists and maps of them."""


@dataclass(frozen=True, slots=True)
class Vector:
    """As a top-level field's value: an embedding, by which `shared.ports.vector_index` finds its neighbours."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ServerTime:
    """As a field's value: the instant at which the store applies the commit."""


@dataclass(frozen=True, slots=True)
class Increment:
    """As a field's value: add `by` to the number that is there, or to 0; the sum comes back with the commit."""

    by: int


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that must not exist."""

    path: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole document, whether it exists or not."""

    path: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Merge:
    """Write some top-level fields and keep the others; the document is made when it is missing."""

    path: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Update:
    """Write some top-level fields of a document that must exist.

    With `seen`, its last update time must be that one (compare-and-set).
    """

    path: str
    fields: Fields
    seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a document; with `must_exist` it must be there, with `seen` its last update time must be that one."""

    path: str
    must_exist: bool = False
    seen: datetime | None = None


Write: TypeAlias = Create | Put | Merge | Update | Delete
