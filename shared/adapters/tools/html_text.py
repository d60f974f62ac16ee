"""The text of HTML, however broken, in time linear in its length.

`html.parser` takes quadratic time on pages made for it; these expressions run on RE2, and each consumes what it finds
to the end of the input where a closing mark is missing, so that no part is scanned twice.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

_UNSEEN = (
    r"(?is)<!--.*?(?:-->|\z)|<!\[CDATA\[|<(?:script|style|template|svg)\b.*?(?:</(?:script|style|template|svg)\s*>|\z)"
)
_TITLE = r"(?is)<title\b[^>]*>([^<]*)"
_HEADING = r"(?is)<h([1-6])\b[^>]*>(.*?)(?:</h[1-6]\s*>|\z)"
_CELL = r"(?i)</(?:td|th)\s*>"
_BLOCK = (
    r"(?i)</?(?:address|article|aside|blockquote|body|br|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]"
    r"|head|header|hr|html|li|main|nav|ol|p|pre|section|table|tbody|thead|title|tr|ul)\b[^>]*(?:>|\z)"
)
_TAG = r"<[a-zA-Z/!?][^>]*(?:>|\z)"
_HEADING_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class HtmlText:
    """What a page says: its title, its headings with their levels, its visible text."""

    title: str | None
    headings: tuple[tuple[int, str], ...]
    text: str


def html_text(page: str, *, max_headings: int) -> HtmlText:
    """Extract the text of a page; CPU-bound, one to three seconds for 1 MiB."""
    visible = _sub(_UNSEEN, " ", page)
    title = _expression(_TITLE).search(visible)
    headings = [
        (int(found.group(1)), _line(_sub(_TAG, "", found.group(2)))[:_HEADING_CHARACTERS])
        for found, _ in zip(_expression(_HEADING).finditer(visible), range(max_headings), strict=False)
    ]
    body = _sub(_TITLE, "", visible)
    text = html.unescape(_sub(_TAG, "", _sub(_BLOCK, "\n", _sub(_CELL, "\t", body))))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return HtmlText(
        title=None if title is None else _line(title.group(1))[:_HEADING_CHARACTERS] or None,
        headings=tuple(heading for heading in headings if heading[1]),
        text="\n".join(_without_blank_runs(lines)),
    )


@cache
def _expression(pattern: str) -> Any:
    import re2

    return re2.compile(pattern)


def _sub(pattern: str, by: str, text: str) -> str:
    return str(_expression(pattern).sub(by, text))


def _line(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _without_blank_runs(lines: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return kept[:-1] if kept and not kept[-1] else kept
