"""Numbered lines and excerpts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.text_lines import excerpt, lines_of

TEXT = "one\ntwo\nthree\nfour"


@given(st.text(alphabet="a\n\r\u2028é"))
def test_the_lines_of_a_text_are_the_text(text: str) -> None:
    lines = lines_of(text)

    assert "".join(lines) == text
    assert all(line.endswith("\n") for line in lines[:-1])


@pytest.mark.parametrize(
    ("start", "end", "room", "text", "end_line", "cut"),
    [
        (1, None, 100, TEXT, 4, False),
        (2, 3, 100, "two\nthree\n", 3, False),
        (4, None, 4, "four", 4, False),
        (1, None, 8, "one\ntwo\n", 2, True),
        (1, None, 7, "one\n", 1, True),
        (1, None, 3, "one", 1, True),
        (3, 2, 100, "", 2, False),
        (9, None, 100, "", 8, False),
        (1, 1_000_000_000, 100, TEXT, 4, False),
    ],
)
def test_an_excerpt_is_whole_lines_as_far_as_they_fit(
    start: int, end: int | None, room: int, text: str, end_line: int, *, cut: bool
) -> None:
    found = excerpt(TEXT, start_line=start, end_line=end, max_characters=room)

    assert (found.text, found.start_line, found.end_line, found.total_lines, found.cut) == (
        text,
        start,
        end_line,
        4,
        cut,
    )


@given(st.text(alphabet="ab\n", max_size=60), st.integers(min_value=1, max_value=20))
def test_going_on_after_each_cut_reads_the_whole_text_when_every_line_fits(text: str, room: int) -> None:
    room = max([room, *map(len, lines_of(text))])
    read, start = "", 1
    while True:
        found = excerpt(text, start_line=start, end_line=None, max_characters=room)
        read += found.text
        if not found.cut:
            break
        start = found.end_line + 1

    assert read == text
