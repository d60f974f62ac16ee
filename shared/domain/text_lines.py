"""Texts as numbered lines, and the part of a text that fits into an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of a text.

    Args:
        text: the lines, with their ends.
        start_line: number of the first, from 1.
        end_line: number of the last; `start_line` - 1 where there are none.
        total_lines: how many the whole text has.
        cut: whether lines that were asked for are missing, or the last one is not whole.
    """

    text: str
    start_line: int
    end_line: int
    total_lines: int
    cut: bool


def lines_of(text: str) -> list[str]:
    """The lines with their ends. Only LF ends a line, as in editors, grep and diff."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def excerpt(text: str, *, start_line: int, end_line: int | None, max_characters: int) -> Excerpt:
    """The lines from `start_line` to `end_line`, inclusive, as far as they fit.

    Whole lines only, unless not even the first fits.
    """
    lines = lines_of(text)
    wanted = lines[start_line - 1 : end_line]
    kept: list[str] = []
    room = max_characters
    for line in wanted:
        if len(line) > room:
            break
        kept.append(line)
        room -= len(line)
    if wanted and not kept:
        kept = [wanted[0][:max_characters]]
    found = "".join(kept)
    return Excerpt(
        text=found,
        start_line=start_line,
        end_line=start_line + len(kept) - 1,
        total_lines=len(lines),
        cut=len(found) < sum(map(len, wanted)),
    )
