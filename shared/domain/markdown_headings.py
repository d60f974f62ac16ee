"""The outline of a Markdown text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

_MAX_LEVEL = 6
_MAX_CHARACTERS = 300
_FENCES = ("```", "~~~")


def markdown_headings(text: str, *, most: int) -> tuple[tuple[int, str], ...]:
    """The first headings (`#` to `######`) with their levels, outside fenced code."""
    return tuple(islice(_headings(text), most))


def _headings(text: str) -> Iterator[tuple[int, str]]:
    fence: str | None = None
    for line in text.split("\n"):
        mark = line.lstrip()[:3]
        if mark in _FENCES and fence in {None, mark}:
            fence = None if fence else mark
            continue
        level = len(line) - len(line.lstrip("#"))
        title = line[level:].strip().rstrip("#").rstrip()
        if fence is None and 0 < level <= _MAX_LEVEL and line[level : level + 1] in {" ", "\t"} and title:
            yield level, title[:_MAX_CHARACTERS]
