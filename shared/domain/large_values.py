"""Values that are too large for the document that they belong to: they become files of the session.

The document keeps a reference; whoever reads it for the engine gets the value, and clients follow the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from shared.domain.ids import Instance, RunId, SessionId

INLINE_BYTES = 256 * 1024
"""What a document holds itself; it may have 1 MiB with all else. Source: https://cloud.google.com/firestore/quotas"""
MAX_NESTING = 100
"""How many lists and maps may stand within one another in what a node gives: who reads them all may nest no deeper."""
SHOWN_CHARACTERS = 20_000
FOLDER = "results"


@dataclass(frozen=True, slots=True)
class ValueFile:
    """A version of a session's file that holds a value, as JSON or as text.

    Args:
        name: the file's name.
        version: its version, which never changes.
        size_bytes: of the content.
    """

    session_id: SessionId
    name: str
    version: int
    size_bytes: int


def is_large(text: str) -> bool:
    """Whether a text is too large to stand in a document."""
    return len(text) > INLINE_BYTES or (4 * len(text) > INLINE_BYTES and len(text.encode()) > INLINE_BYTES)


def is_nested(value: Any, text: str, most: int = MAX_NESTING) -> bool:
    """Whether more than `most` lists and maps stand within one another in a value with this JSON text."""
    if text.count("[") + text.count("{") <= most:
        return False
    level: list[Any] = [value]
    for _ in range(most):
        level = [one for outer in level for one in _within(outer) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _within(value: Any) -> Iterable[Any]:
    return cast("Mapping[str, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)


def file_name(run_id: RunId, instance: Instance, part: str = "output", ending: str = "json") -> str:
    """The name of the file with what belongs to a node: its output, its items, or the result of a call."""
    return f"{FOLDER}/{run_id}/{instance}/{part}.{ending}"


def beginning_of(text: str) -> str:
    """What is shown of a text where all of it is too much; the text itself where it is not."""
    if not is_large(text):
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n… {len(text) - SHOWN_CHARACTERS:,} characters more"


def told_of(text: str, file: ValueFile) -> str:
    """What a model reads in place of a tool's result that is too large for it."""
    return (
        f"The result has {file.size_bytes:,} bytes, which is too much to show. All of it is in the file "
        f"{file.name!r}. It begins:\n{text[:SHOWN_CHARACTERS]}"
    )
