"""What a commit must be for Firestore to take it, checked before it is sent.

The emulator does not enforce every limit of production, and the memory adapter has none of its own,
so both adapters ask here. What only a defect of ours can cause is `Internal`; what a person's input can cause says so.

Source: https://cloud.google.com/firestore/quotas
Source: https://cloud.google.com/firestore/docs/storage-size
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from shared.domain.errors import DocumentTooLarge, Internal, InvalidArgument
from shared.domain.writes import Create, Delete, Fields, Increment, Merge, ServerTime, Update, Vector, Write

MAX_WRITES = 500
_MAX_BYTES = 1_048_576
MAX_COMMIT_BYTES = 10 * 1_048_576
MAX_ID_BYTES = 1_500
MAX_DIMENSIONS = 2_048
"""Source: https://cloud.google.com/firestore/docs/vector-search#limitations"""

HALF_A_PAIR = "the text holds half of a surrogate pair"

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = re.compile(r"__.*__")
_INT64 = 1 << 63
_FIXED_SIZES: dict[type, int] = {
    type(None): 1,
    bool: 1,
    int: 8,
    float: 8,
    datetime: 8,
    ServerTime: 8,
    Increment: 8,
}
_ALWAYS_STORABLE = frozenset({str, bool, float, bytes, type(None)})
_KEPT_CHECKS = 4096
"""How many names and paths are remembered as sound: most come up again and again."""


def check_commit(writes: Sequence[Write]) -> None:
    """Refuse a commit that production would not take.

    Raises:
        DocumentTooLarge: a document exceeds 1 MiB, or the commit 10 MiB.
        InvalidArgument: a document's id or a text cannot be stored.
        Internal: too many writes, writes that contradict each other, an array in an array, a type that is none of
            `Fields`.
    """
    if len(writes) > MAX_WRITES:
        raise Internal(f"a commit of {len(writes)} writes; {MAX_WRITES} are the most")
    _check_consistency(writes)
    total = sum(_checked_bytes(write) for write in writes)
    if total > MAX_COMMIT_BYTES:
        raise DocumentTooLarge(f"{total:,} bytes in one commit; {MAX_COMMIT_BYTES:,} are the most")


def check_size(path: str, fields: Fields) -> int:
    """The size of a document in bytes, as Firestore counts.

    Raises:
        DocumentTooLarge: it exceeds 1 MiB.
    """
    size = document_bytes(path, fields)
    if size > _MAX_BYTES:
        limit = f"{_MAX_BYTES:,} are the most"
        raise DocumentTooLarge(f"the document has {size:,} bytes; {limit}")
    return size


def document_bytes(path: str, fields: Fields) -> int:
    """The size of a document in bytes, as Firestore counts: its name, its fields, and 32 more."""
    name = 16 + sum(len(part.encode()) + 1 for part in path.split("/"))
    return name + _map_bytes(fields) + 32


@lru_cache(_KEPT_CHECKS)
def check_path(path: str) -> None:
    """Refuse a path that does not name a document.

    Raises:
        InvalidArgument: an id is empty, reserved or too long.
        Internal: the path names a collection.
    """
    parts = path.split("/")
    if len(parts) % 2:
        raise Internal(f"{path!r} names a collection, not a document")
    for part in parts:
        if part in {"", ".", ".."} or _RESERVED.fullmatch(part) or _text_bytes(part) > MAX_ID_BYTES:
            raise InvalidArgument(f"{part!r} cannot be an id")


def _check_consistency(writes: Sequence[Write]) -> None:
    """Firestore refuses a commit whose writes to one document cannot all hold, whatever is stored."""
    exists: dict[str, bool] = {}
    seen: dict[str, datetime | None] = {}
    for write in writes:
        known, condition = exists.get(write.path), _seen(write)
        if known is not None:
            contradicts = isinstance(write, Create) if known else _needs_document(write)
            if contradicts or (condition is not None and condition != seen[write.path]):
                raise Internal(f"writes to {write.path!r} contradict each other")
        exists[write.path] = not isinstance(write, Delete)
        seen.setdefault(write.path, condition)


def _seen(write: Write) -> datetime | None:
    return write.seen if isinstance(write, Update | Delete) else None


def _needs_document(write: Write) -> bool:
    return isinstance(write, Update) or (isinstance(write, Delete) and (write.must_exist or write.seen is not None))


def _checked_bytes(write: Write) -> int:
    check_path(write.path)
    if isinstance(write, Delete):
        return 0
    for name, value in write.fields.items():
        _check_field_name(name)
        if not isinstance(value, ServerTime | Increment):
            _check_value(value)
    if isinstance(write, Update | Merge) and not write.fields:
        raise Internal(f"a change of {write.path!r} that names no field")
    return check_size(write.path, write.fields)


@lru_cache(_KEPT_CHECKS)
def _check_field_name(name: str) -> None:
    if not _FIELD_NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise Internal(f"{name!r} cannot be the name of a field")


def _check_value(value: Any, *, in_array: bool = False) -> None:
    if type(value) in _ALWAYS_STORABLE:
        return
    match value:
        case list() | tuple():
            if in_array:
                raise Internal("an array directly inside an array")
            for item in cast("Sequence[Any]", value):
                _check_value(item, in_array=True)
        case Mapping():
            for item in cast("Mapping[str, Any]", value).values():
                _check_value(item)
        case _:
            _check_scalar(value)


def _check_scalar(value: Any) -> None:
    if isinstance(value, Vector) and not 0 < len(value.values) <= MAX_DIMENSIONS:
        raise Internal(f"a vector of {len(value.values)} dimensions; {MAX_DIMENSIONS:,} are the most")
    if not isinstance(value, bool | int | float | str | bytes | datetime | Vector | None):
        raise Internal(f"a {type(value).__name__} cannot be stored")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise Internal("an instant without a time zone")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise InvalidArgument(f"{value} does not fit into 64 bits")


def _map_bytes(fields: Mapping[str, Any]) -> int:
    return sum(_text_bytes(name) + 1 + _value_bytes(value) for name, value in fields.items())


def _value_bytes(value: Any) -> int:
    fixed = _FIXED_SIZES.get(value.__class__)
    if fixed is not None:
        return fixed
    match value:
        case str():
            return _text_bytes(value) + 1
        case bytes() | Vector():
            return len(value) if isinstance(value, bytes) else 8 * len(value.values) + 16
        case list() | tuple():
            return sum(_value_bytes(item) for item in cast("Sequence[Any]", value))
        case Mapping():
            return _map_bytes(cast("Mapping[str, Any]", value))
        case _:
            return next(size for kind, size in _FIXED_SIZES.items() if isinstance(value, kind))


def _text_bytes(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgument(HALF_A_PAIR) from error
