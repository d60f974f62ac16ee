"""What differs between two definitions: each place with its old and its new value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias, cast

from shared.domain.line_diffs import line_changes
from shared.domain.records import to_json

Kind: TypeAlias = Literal["added", "removed", "changed"]
MAX_CHANGES = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Args:
        path: where, with dots, as in a fault: `graph.nodes.review.prompt`. An item that was removed from a list has the
            position that it had.
        old: what was there; None where nothing was.
        new: what is there.
    """

    path: str
    kind: Kind
    old: Any = None
    new: Any = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences, in the new text's order; `is_cut` where there are more than are told."""

    changes: tuple[Change, ...]
    is_cut: bool = False


def compare(old: Any, new: Any) -> Comparison:
    """What differs between two values that JSON can hold, up to MAX_CHANGES places."""
    found = tuple(islice(_differences((), old, new), MAX_CHANGES + 1))
    return Comparison(found[:MAX_CHANGES], is_cut=len(found) > MAX_CHANGES)


def _differences(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _between_maps(path, cast("dict[str, Any]", old), cast("dict[str, Any]", new))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _between_lists(path, cast("list[Any]", old), cast("list[Any]", new))
    elif to_json(old) != to_json(new):  # as JSON, since 1 == True == 1.0 in Python
        yield Change(".".join(path), "changed", old, new)


def _between_maps(path: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key, value in old.items():
        if key not in new:
            yield Change(".".join((*path, key)), "removed", old=value)
    for key, value in new.items():
        if key in old:
            yield from _differences((*path, key), old[key], value)
        else:
            yield Change(".".join((*path, key)), "added", new=value)


def _between_lists(path: tuple[str, ...], old: list[Any], new: list[Any]) -> Iterator[Change]:
    """Items that stayed are found wherever they moved to; those between them are compared pair by pair."""
    for gap in line_changes([to_json(item) for item in old], [to_json(item) for item in new]):
        pairs = min(gap.old_end - gap.old_start, gap.new_end - gap.new_start)
        for offset in range(pairs):
            place = (*path, str(gap.new_start + offset))
            yield from _differences(place, old[gap.old_start + offset], new[gap.new_start + offset])
        for position in range(gap.old_start + pairs, gap.old_end):
            yield Change(".".join((*path, str(position))), "removed", old=old[position])
        for position in range(gap.new_start + pairs, gap.new_end):
            yield Change(".".join((*path, str(position))), "added", new=new[position])
