"""Differences between two texts, line by line, in bounded time whatever the texts are.

`difflib` takes cubic time on texts made for it. Here texts of N lines that differ in D take about N + D² steps by
Myers' greedy algorithm. Beyond MAX_EDITS or MAX_STEPS, all between the common beginning and end counts as replaced.

Source: https://doi.org/10.1007/BF01840446 (E. Myers, An O(ND) difference algorithm)
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

MAX_EDITS = 1000
MAX_STEPS = 4_000_000
_CONTEXT = 3
_NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class Change:
    """Some lines of the old text became some lines of the new; numbers from 0, ends excluded."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def line_changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """What must be replaced in `old` to get `new`, in order."""
    start = _common(zip(old, new, strict=False))
    rest = min(len(old), len(new)) - start
    end = min(rest, _common(zip(reversed(old), reversed(new), strict=False)))
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    if not old_middle and not new_middle:
        return []
    kept = _kept(old_middle, new_middle)
    return _gaps(kept, len(old_middle), len(new_middle), start)


def unified_diff(old: Sequence[str], new: Sequence[str], old_name: str, new_name: str) -> str:
    """The unified diff of two texts given as lines with their ends; empty where they are equal."""
    hunks = _hunks(line_changes(old, new))
    if not hunks:
        return ""
    parts = [f"--- {old_name}\n", f"+++ {new_name}\n"]
    for hunk in hunks:
        parts += _rendered(hunk, old, new)
    return "".join(parts)


def _common(pairs: Iterable[tuple[Hashable, Hashable]]) -> int:
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _kept(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of line numbers that stay; none where the texts differ too much to tell."""
    trace: list[array[int]] = []
    most = min(MAX_EDITS, len(old) + len(new))
    furthest = array("l", [0] * (2 * most + 3))  # the furthest old line on diagonal k is at k + most + 1
    steps = 0
    for edits in range(most + 1):
        trace.append(furthest[most - edits : most + edits + 3])
        for k in range(-edits, edits + 1, 2):
            at = k + most + 1
            down = k == -edits or (k != edits and furthest[at - 1] < furthest[at + 1])
            start = x = furthest[at + 1] if down else furthest[at - 1] + 1
            while x < len(old) and x - k < len(new) and old[x] == new[x - k]:
                x += 1
            furthest[at] = x
            steps += x - start + 1
            if x >= len(old) and x - k >= len(new):
                return _backtracked(trace, len(old), len(new))
        if steps > MAX_STEPS:
            break
    return []


def _backtracked(trace: Sequence[array[int]], x: int, y: int) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for edits in range(len(trace) - 1, -1, -1):
        before, k = trace[edits], x - y
        at = k + edits + 1
        down = k == -edits or (k != edits and before[at - 1] < before[at + 1])
        from_x = before[at + 1] if down else before[at - 1]
        from_y = from_x - (k + 1 if down else k - 1)
        while x > max(from_x if down else from_x + 1, 0) and y > max(from_y + 1 if down else from_y, 0):
            x, y = x - 1, y - 1
            kept.append((x, y))
        x, y = from_x, from_y
    kept.reverse()
    return kept


def _gaps(kept: Sequence[tuple[int, int]], old_length: int, new_length: int, offset: int) -> list[Change]:
    changes: list[Change] = []
    x = y = 0
    for next_x, next_y in [*kept, (old_length, new_length)]:
        if next_x > x or next_y > y:
            changes.append(Change(x + offset, next_x + offset, y + offset, next_y + offset))
        x, y = next_x + 1, next_y + 1
    return changes


def _hunks(changes: Sequence[Change]) -> list[list[Change]]:
    hunks: list[list[Change]] = []
    for change in changes:
        if hunks and change.old_start - hunks[-1][-1].old_end <= 2 * _CONTEXT:
            hunks[-1].append(change)
        else:
            hunks.append([change])
    return hunks


def _rendered(hunk: Sequence[Change], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    before = min(_CONTEXT, hunk[0].old_start)
    after = min(_CONTEXT, len(old) - hunk[-1].old_end)
    old_start, old_end = hunk[0].old_start - before, hunk[-1].old_end + after
    new_start, new_end = hunk[0].new_start - before, hunk[-1].new_end + after
    yield f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@\n"
    position = old_start
    for change in hunk:
        yield from _marked(" ", old[position : change.old_start])
        yield from _marked("-", old[change.old_start : change.old_end])
        yield from _marked("+", new[change.new_start : change.new_end])
        position = change.old_end
    yield from _marked(" ", old[position:old_end])


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield f"{mark}{line}"
        if not line.endswith("\n"):
            yield f"\n{_NO_NEWLINE}"


def _range(start: int, end: int) -> str:
    """Line numbers as unified diffs write them: from 1, an empty range by the line before it."""
    length = end - start
    return f"{start if length == 0 else start + 1},{length}"
