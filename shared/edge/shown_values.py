"""Values of JSON as answers show them: whatever was stored can be shown."""

from __future__ import annotations

from typing import Any

from shared.domain.large_values import is_nested
from shared.domain.records import from_json, to_json

_MOST_NESTING = 200
"""Pydantic writes no value with 255 lists and maps within one another; some of them are around what is shown."""


def shown_value(text: str | None) -> Any:
    """The value of JSON text; the text itself where more stands within one another than an answer can hold."""
    try:
        value = from_json(text)
    except RecursionError:
        return text
    return text if text is not None and is_nested(value, text, _MOST_NESTING) else value


def shown_map(text: str | None) -> dict[str, Any]:
    """The map of JSON text, each of its values as `shown_value`."""
    return {name: shown_value(to_json(value)) for name, value in from_json(text).items()}
