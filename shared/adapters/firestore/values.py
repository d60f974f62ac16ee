"""Values on their way to and from Firestore's messages.

They are put into the messages' own fields: the client library's wrapped messages say the same, and take five times as
long over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from proto.datetime_helpers import DatetimeWithNanoseconds

from shared.domain.writes import Vector

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_VECTOR = ("__type__", "__vector__")
"""A vector is stored as a map with this entry, and its numbers as `value`."""

_PLAIN = frozenset({"string_value", "boolean_value", "integer_value", "double_value", "bytes_value"})
"""What a message holds as Python has it."""


def put_fields(slots: Any, fields: Iterable[tuple[str, Any]]) -> None:
    """Put values into a message's map of them."""
    for name, value in fields:
        put_value(slots[name], value)


def put_value(slot: Any, value: Any) -> None:
    """Put a value into an empty message for one.

    Raises:
        TypeError: it is none that can be stored.
    """
    match value:
        case str():
            slot.string_value = value
        case None:
            slot.null_value = 0
        case bool():
            slot.boolean_value = value
        case int():
            slot.integer_value = value
        case float():
            slot.double_value = value
        case datetime():
            put_instant(slot.timestamp_value, value)
        case bytes():
            slot.bytes_value = value
        case _:
            _put_many(slot, value)


def _put_many(slot: Any, value: Any) -> None:
    match value:
        case Mapping():
            slot.map_value.SetInParent()  # so that an empty one is there too
            put_fields(slot.map_value.fields, value.items())
        case list() | tuple():
            slot.array_value.SetInParent()
            for item in value:
                put_value(slot.array_value.values.add(), item)
        case Vector():
            put_fields(slot.map_value.fields, [_VECTOR, ("value", value.values)])
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be stored")


def put_instant(stamp: Any, instant: datetime) -> None:
    """Put an instant into a message for one, with the nanoseconds of one that was read."""
    stamp.seconds = (instant - _EPOCH) // _SECOND
    exact = isinstance(instant, DatetimeWithNanoseconds)
    stamp.nanos = instant.nanosecond if exact else instant.microsecond * 1000


def fields_of(slots: Any) -> dict[str, Any]:
    """The values of a message's map of them."""
    return {name: value_of(slot) for name, slot in slots.items()}


def value_of(slot: Any) -> Any:
    """The value of a message for one.

    Raises:
        TypeError: it is none that this application stores.
    """
    kind: str = slot.WhichOneof("value_type")
    if kind in _PLAIN:
        return getattr(slot, kind)
    match kind:
        case "null_value":
            return None
        case "timestamp_value":
            return _to_microseconds(slot.timestamp_value)
        case "map_value":
            fields = fields_of(slot.map_value.fields)
            return Vector(tuple(fields["value"])) if _VECTOR in fields.items() else fields
        case "array_value":
            return [value_of(item) for item in slot.array_value.values]
        case _:
            raise TypeError(f"a {kind} was stored")


def instant_of(stamp: Any) -> datetime:
    """The instant of a message for one; where it has nanoseconds they are kept, for a later condition on it."""
    return DatetimeWithNanoseconds.from_timestamp_pb(stamp) if stamp.nanos % 1000 else _to_microseconds(stamp)


def _to_microseconds(stamp: Any) -> datetime:
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
