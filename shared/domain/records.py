"""The one way between a stored document and its dataclass."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_DECODE = json.JSONDecoder().raw_decode


@cache
def _reader(kind: type[Any]) -> Callable[[Mapping[str, Any]], Any]:
    # The validator itself: what lies around it takes as long as a small record.
    return TypeAdapter(kind).validator.validate_python


@cache
def _writer(kind: type[Any]) -> Callable[[object], dict[str, Any]]:
    return TypeAdapter(kind).serializer.to_python


def parse(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Read a record of `kind`; fields that the class does not know are ignored, so that old code reads newer documents.

    Raises:
        pydantic.ValidationError: a field is missing or has the wrong type.
    """
    record: T = _reader(kind)(fields)
    return record


def render(record: object) -> dict[str, Any]:
    """The fields under which a record is stored: nested records become maps, states become text."""
    return _writer(type(record))(record)


def to_json(value: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces."""
    return _ENCODE(value)


def from_json(text: str | None) -> Any:
    """The value of JSON text; None for no text.

    Raises:
        ValueError: it is no JSON.
    """
    if text is None:
        return None
    try:
        value, end = _DECODE(text)
    except ValueError:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)  # a text that is not ours may begin or end with a space
