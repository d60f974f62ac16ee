"""Diffs that a patch program would accept."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import line_diffs
from shared.domain.line_diffs import line_changes, unified_diff
from shared.domain.text_lines import lines_of

TEXTS = st.text(alphabet="abc\n", max_size=80)


def patched(old: Sequence[str], diff: str) -> str:
    """Apply a unified diff, checking every context line, every removed line and every range."""
    new: list[str] = []
    position = 0
    for line in _parts(diff):
        if header := re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@\n", line):
            start, length, new_start, new_length = map(int, header.groups())
            start -= length > 0
            new += old[position:start]
            position = start
            assert len(new) == new_start - (new_length > 0)
            continue
        mark, text = line[0], line[1:]
        if mark in " -":
            assert old[position] == text
            position += 1
        if mark in " +":
            new.append(text)
    return "".join([*new, *old[position:]])


def _parts(diff: str) -> list[str]:
    """The lines below the header; one that "No newline at end of file" follows comes without its end."""
    parts: list[str] = []
    for line in lines_of(diff)[2:]:
        if line.startswith("\\"):
            parts[-1] = parts[-1].removesuffix("\n")
        else:
            parts.append(line)
    return parts


@given(TEXTS, TEXTS)
def test_patching_the_old_text_with_the_diff_gives_the_new_text(old: str, new: str) -> None:
    diff = unified_diff(lines_of(old), lines_of(new), "a", "b")

    assert patched(lines_of(old), diff) == new
    assert (diff == "") == (old == new)


@given(TEXTS, TEXTS)
def test_the_law_holds_for_texts_that_differ_too_much_to_compare(old: str, new: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_diffs, "MAX_EDITS", 2)
        diff = unified_diff(lines_of(old), lines_of(new), "a", "b")

    assert patched(lines_of(old), diff) == new


@given(TEXTS, TEXTS)
def test_changes_are_apart_in_order_and_no_longer_than_the_shortest_script(old: str, new: str) -> None:
    one, other = lines_of(old), lines_of(new)
    changes = line_changes(one, other)

    edits = sum(c.old_end - c.old_start + c.new_end - c.new_start for c in changes)
    assert edits == len(one) + len(other) - 2 * _longest_common(one, other)
    assert all(a.old_end < b.old_start for a, b in itertools.pairwise(changes))


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    row = [0] * (len(other) + 1)
    for line in one:
        before = row
        row = [0]
        for j, also in enumerate(other):
            row.append(before[j] + 1 if line == also else max(before[j + 1], row[j]))
    return row[-1]


def test_a_change_is_shown_with_three_lines_around_it() -> None:
    old = [f"{i}\n" for i in range(1, 21)]
    new = [*old[:9], "ten\n", *old[10:]]

    assert unified_diff(old, new, "n.txt@1", "n.txt@2") == (
        "--- n.txt@1\n+++ n.txt@2\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"
    )


def test_a_missing_last_line_end_is_told() -> None:
    assert unified_diff(["a\n"], ["a"], "x", "y") == (
        "--- x\n+++ y\n@@ -1,1 +1,1 @@\n-a\n+a\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(("limit", "value"), [("MAX_STEPS", 10_000), ("MAX_EDITS", 100)])
def test_texts_that_take_too_long_to_compare_count_as_replaced(
    limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = [*["a"] * 100, "b"] * 150, [*["a"] * 99, "b"] * 150
    assert len(line_changes(old, new)) == 150

    monkeypatch.setattr(line_diffs, limit, value)

    assert len(line_changes(old, new)) == 1
