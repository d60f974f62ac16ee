"""Firestore's wire values as Python values."""

from __future__ import annotations

from typing import Any, cast

from google.cloud.firestore_v1.types import Document, Value


def read_fields(document: Document) -> dict[str, Any]:
    """A document's fields."""
    return {name: read_value(value) for name, value in document.fields.items()}


def read_value(value: Value) -> Any:
    """One value; instants are aware, in UTC."""
    stored, message = cast("Any", value), cast("Any", Value)  # proto-plus has no types
    kind: str | None = message.pb(stored).WhichOneof("value_type")
    match kind:
        case "map_value":
            return {name: read_value(item) for name, item in stored.map_value.fields.items()}
        case "array_value":
            return [read_value(item) for item in stored.array_value.values]
        case "null_value" | None:
            return None
        case plain:
            return getattr(stored, plain)
