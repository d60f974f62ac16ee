"""Documents are split into passages that can be cited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.knowledge_passages import (
    MAX_PASSAGE_CHARACTERS,
    PASSAGE_CHARACTERS,
    Passage,
    split_passages,
)

LONG = "word " * (PASSAGE_CHARACTERS // 5 - 1) + "end"


def test_short_paragraphs_are_put_together() -> None:
    assert split_passages("One.\nMore.\n\n\nTwo.\n") == [Passage("One.\nMore.\n\nTwo.", "", 1, 5)]


def test_paragraphs_that_are_long_enough_stand_alone() -> None:
    found = split_passages(f"{LONG}\n\n{LONG}")
    assert [(one.first_line, one.last_line) for one in found] == [(1, 1), (3, 3)]


def test_a_heading_begins_a_passage_and_names_it_and_those_below_it() -> None:
    text = "Before.\n# Guide\n\nAbout.\n## Use\nHow to.\n\n## Care\n\nOil it.\n# End\nBye."
    headings = ((1, "Guide"), (2, "Use"), (2, "Care"), (1, "End"))

    found = split_passages(text, headings)

    assert [(one.heading, one.text, one.first_line, one.last_line) for one in found] == [
        ("", "Before.", 1, 1),
        ("Guide", "# Guide\nAbout.", 2, 4),
        ("Guide > Use", "## Use\nHow to.", 5, 6),
        ("Guide > Care", "## Care\nOil it.", 8, 10),
        ("End", "# End\nBye.", 11, 12),
    ]


def test_headings_without_text_of_their_own_stay_with_what_follows() -> None:
    (found,) = split_passages("Guide\n\nUse\n\nHow to.", ((1, "Guide"), (2, "Use")))
    assert (found.heading, found.text) == ("Guide > Use", "Guide\nUse\nHow to.")


def test_no_passage_goes_over_the_end_of_a_page() -> None:
    pages = ["First.\n\nStill first.", "Second", "", "Fourth."]
    starts, text = list[int](), ""
    for page in pages:
        starts.append(len(text))
        text += page + "\n\n"

    found = split_passages(text, (), starts)

    assert [(one.text, one.page) for one in found] == [("First.\n\nStill first.", 1), ("Second", 2), ("Fourth.", 4)]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("A sentence of words. " * 200, "words."),
        ("words and words " * 200, "words"),
        ("x" * 5000, "x"),
        ("a line of words\n" * 300, "words"),
    ],
    ids=["sentences", "words", "one word", "lines"],
)
def test_a_paragraph_that_is_too_long_is_cut_where_it_hurts_least(text: str, ends: str) -> None:
    found = split_passages(text)

    assert len(found) > 1
    assert all(one.text.endswith(ends) for one in found[:-1])
    assert all(MAX_PASSAGE_CHARACTERS // 3 < len(one.text) <= MAX_PASSAGE_CHARACTERS for one in found[:-1])
    assert "".join("".join(one.text.split()) for one in found) == "".join(text.split())


@given(
    st.text(alphabet="ab# .\n\u00e9", max_size=400),
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["a", "b", "ab"])), max_size=3),
)
def test_nothing_is_lost_and_nothing_is_too_long(text: str, headings: list[tuple[int, str]]) -> None:
    found = split_passages(text * 20, headings, (0, 100, 200))

    assert "".join("".join(one.text.split()) for one in found) == "".join((text * 20).split())
    for one in found:
        assert 0 < len(one.text.strip()) <= MAX_PASSAGE_CHARACTERS
        assert 1 <= one.first_line <= one.last_line
        assert one.page in {1, 2, 3}
