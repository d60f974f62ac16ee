"""Values on their way to and from the client library."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.cloud.firestore_v1.transforms import SERVER_TIMESTAMP
from google.cloud.firestore_v1.transforms import Increment as FirestoreIncrement
from google.cloud.firestore_v1.vector import Vector as FirestoreVector

from shared.domain.writes import Fields, Increment, ServerTime, Vector


def encode_fields(fields: Fields) -> dict[str, Any]:
    """Fields as the client library takes them."""
    return {name: _encode(value) for name, value in fields.items()}


def _encode(value: Any) -> Any:
    match value:
        case ServerTime():
            return SERVER_TIMESTAMP
        case Increment():
            return FirestoreIncrement(value.by)
        case Vector():
            return FirestoreVector(value.values)
        case Mapping():
            return encode_fields(value)  # the library takes a dict and no other mapping
        case list() | tuple():
            return [_encode(item) for item in value]
        case _:
            return value


def decode(value: Any) -> Any:
    """A value as the port promises it: instants are plain datetimes, not the library's subclass."""
    match value:
        case dict():
            return {name: decode(item) for name, item in value.items()}
        case FirestoreVector():
            return Vector(tuple(value))
        case list():
            return [decode(item) for item in value]
        case datetime():
            return datetime.combine(value.date(), value.timetz())
        case _:
            return value
