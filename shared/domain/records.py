"""The one way between a stored document and its dataclass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Read a record of `kind`; fields that the class does not know are ignored, so that old code reads newer documents.

    Raises:
        pydantic.ValidationError: a field is missing or has the wrong type.
    """
    record: T = _adapter(kind).validate_python(fields)
    return record


def render(record: object) -> dict[str, Any]:
    """The fields under which a record is stored: nested records become maps, states become text."""
    fields: dict[str, Any] = _adapter(type(record)).dump_python(record)
    return fields


def to_json(value: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def from_json(text: str | None) -> Any:
    """The value of JSON text; None for no text."""
    return None if text is None else json.loads(text)
