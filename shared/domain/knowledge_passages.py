"""Split a document into the passages that are searched: by headings, pages and paragraphs, each with its place."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

PASSAGE_CHARACTERS = 1200
"""Paragraphs are put together up to this length."""
MAX_PASSAGE_CHARACTERS = 1800
"""A longer paragraph is split."""
MAX_PASSAGES = 2000
_HEADING_CHARACTERS = 200
_BETWEEN_HEADINGS = " > "


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document.

    Args:
        text: what it says.
        heading: the headings above it, outermost first.
        first_line: number of its first line in the document's text, from 1.
        last_line: number of its last line.
        page: the page that it is on; None where there are no pages. No passage goes over a page's end.
    """

    text: str
    heading: str
    first_line: int
    last_line: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    page: int | None
    heading: str
    is_heading: bool


def split_passages(
    text: str, headings: Sequence[tuple[int, str]] = (), page_starts: Sequence[int] = ()
) -> list[Passage]:
    """The passages of a text, in order; the same text gives the same passages.

    Args:
        text: the whole text.
        headings: level and text of those that stand in it as lines of their own, in order.
        page_starts: where in the text each page begins.
    """
    passages: list[Passage] = []
    for block in _blocks(_lines(text, headings, page_starts)):
        last = passages[-1] if passages else None
        if last is not None and _belong_together(last, block):
            passages[-1] = replace(last, text=f"{last.text}\n\n{block.text}", last_line=block.last_line)
        else:
            passages.append(block)
    return passages


def _belong_together(last: Passage, following: Passage) -> bool:
    together = len(last.text) + len(following.text) + 2
    return (last.heading, last.page) == (following.heading, following.page) and together <= PASSAGE_CHARACTERS


def _lines(text: str, headings: Sequence[tuple[int, str]], page_starts: Sequence[int]) -> Iterator[_Line]:
    """The lines, each with the headings above it and its page."""
    coming = deque((level, _bare(heading)) for level, heading in headings)
    above: list[tuple[int, str]] = []
    offset = 0
    for number, line in enumerate(text.split("\n"), start=1):
        is_heading = bool(coming) and _bare(line) == coming[0][1]
        if is_heading:
            level, heading = coming.popleft()
            above = [*(outer for outer in above if outer[0] < level), (level, heading)]
        path = _BETWEEN_HEADINGS.join(heading for _, heading in above)[:_HEADING_CHARACTERS]
        page = bisect_right(page_starts, offset) if page_starts else None
        yield _Line(number, line.rstrip(), page, path, is_heading)
        offset += len(line) + 1


def _bare(line: str) -> str:
    """A heading without the marks of Markdown, to compare it."""
    return " ".join(line.strip().strip("#").split())[:_HEADING_CHARACTERS]


def _blocks(lines: Iterable[_Line]) -> Iterator[Passage]:
    """Paragraphs, a heading with the one after it, and long ones in pieces."""
    gathered: list[_Line] = []
    for line in lines:
        if gathered and _ends(gathered, line):
            yield from _pieces(gathered)
            gathered = []
        if line.text.strip():
            gathered.append(line)
    if gathered:
        yield from _pieces(gathered)


def _ends(gathered: Sequence[_Line], line: _Line) -> bool:
    last = gathered[-1]
    if line.page != last.page:
        return True
    if all(one.is_heading for one in gathered):
        return False  # a heading stays with what follows it, blank lines or not
    return line.is_heading or not line.text.strip()


def _pieces(lines: Sequence[_Line]) -> Iterator[Passage]:
    """The paragraph, or pieces of one that is too long, cut between lines where that is possible."""
    gathered: list[_Line] = []
    length = 0
    for part in (part for line in lines for part in _parts(line)):
        if gathered and length + len(part.text) + 1 > MAX_PASSAGE_CHARACTERS:
            yield _passage(gathered)
            gathered, length = [], 0
        gathered.append(part)
        length += len(part.text) + 1
    yield _passage(gathered)


def _parts(line: _Line) -> Iterator[_Line]:
    """The line, or parts of one that is too long, cut after a sentence or between words where that is possible."""
    rest = line.text
    while len(rest) >= MAX_PASSAGE_CHARACTERS:
        window = rest[: MAX_PASSAGE_CHARACTERS - 1]
        middle = len(window) // 2
        cut = next((end for mark in (". ", "? ", "! ", "; ", " ") if (end := window.rfind(mark) + 1) > middle), 0)
        cut = cut or len(window)
        yield replace(line, text=rest[:cut].strip())
        rest = rest[cut:].lstrip()
    yield replace(line, text=rest)


def _passage(lines: Sequence[_Line]) -> Passage:
    last = lines[-1]
    text = "\n".join(line.text for line in lines).strip("\n")
    return Passage(text, last.heading, lines[0].number, last.number, last.page)
