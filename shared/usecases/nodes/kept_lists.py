"""The lists of maps that a process has read: each item is a task of its own, and would read all of the list again."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.records import from_json, to_json

MOST_CHARACTERS = 16 * 2**20
"""Of all lists that are kept; one may have 10 MiB as a file."""
MOST_LISTS = 64


@dataclass(slots=True)
class _Kept:
    """A list as the JSON of each item; None until it was read, by one at a time."""

    reading: Lock = field(default_factory=Lock)
    items: Sequence[str] | None = None
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Picked:
    """One item of a list, and how many there are."""

    count: int
    value: Any


class KeptLists:
    """Lists by the path of the node that holds them, which never change once they are there.

    Whoever picks an item gets a value of its own, so that nobody changes what another attempt reads.
    """

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: dict[str, _Kept] = {}

    async def pick(self, path: str, index: int, read: Callable[[], Awaitable[Sequence[Any] | None]]) -> Picked | None:
        """An item; None where the list is not there yet, or is shorter.

        Args:
            path: of the node that holds the list.
            index: which item.
            read: reads the list.

        Raises:
            Unavailable: the store does not answer.
        """
        kept = self._kept.setdefault(path, _Kept())
        async with kept.reading:
            if kept.items is None and (found := await read()) is not None:
                kept.items = [to_json(item) for item in found]
                kept.characters = sum(map(len, kept.items))
        self._forget()
        if kept.items is None or index >= len(kept.items):
            return None
        return Picked(len(kept.items), from_json(kept.items[index]))

    def _forget(self) -> None:
        """Let go of the oldest of what is too much."""
        while len(self._kept) > 1 and (
            len(self._kept) > MOST_LISTS or sum(kept.characters for kept in self._kept.values()) > MOST_CHARACTERS
        ):
            del self._kept[next(iter(self._kept))]
