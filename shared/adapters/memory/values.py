"""How Firestore compares and orders values, and how it keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import UnionType
from typing import Any, TypeAlias, cast

SortKey: TypeAlias = tuple[Any, ...]
"""Orders values of all types; the first item is the rank of the type.

Source: https://cloud.google.com/firestore/docs/concepts/data-types#value_type_ordering
"""

_NULL, _BOOLEAN, _NUMBER, _INSTANT, _TEXT, _BYTES, _ARRAY, _MAP = range(8)
_RANKS: tuple[tuple[type | UnionType, int], ...] = (
    (bool, _BOOLEAN),  # before numbers: Python's booleans are numbers
    (int | float, _NUMBER),
    (datetime, _INSTANT),
    (str, _TEXT),
    (bytes, _BYTES),
)


IMMUTABLE = frozenset({str, int, float, bool, bytes, type(None)})
"""Types whose values are their own copies."""


def stored(value: Any) -> Any:
    """A deep copy of a value, as a reader would get it back."""
    kind = type(value)
    if kind in IMMUTABLE or (kind is datetime and value.tzinfo is UTC):
        return value
    match value:
        case str():
            return str(value)  # a member of a StrEnum comes back as its text
        case datetime():
            return value.astimezone(UTC)
        case list() | tuple():
            return [item if type(item) in IMMUTABLE else stored(item) for item in cast("Sequence[Any]", value)]
        case dict() | Mapping():  # what is a dict is a mapping, but to ask for that takes longer
            items = cast("Mapping[str, Any]", value).items()
            return {str(name): item if type(item) in IMMUTABLE else stored(item) for name, item in items}
        case _:
            return value


def sort_key(value: Any) -> SortKey:
    """The key by which Firestore sorts a value; equal keys are equal values (1 equals 1.0, not True)."""
    if value is None:
        return (_NULL,)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return (_MAP, tuple(sorted((name, sort_key(item)) for name, item in items)))
    if isinstance(value, list | tuple):
        return (_ARRAY, tuple(sort_key(item) for item in cast("Sequence[Any]", value)))
    rank = next(rank for kind, rank in _RANKS if isinstance(value, kind))
    if rank == _NUMBER:
        return (rank, not math.isnan(value), 0 if math.isnan(value) else value)
    return (rank, value)
