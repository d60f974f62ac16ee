"""Identifiers that are the same in every test run."""

from __future__ import annotations

import random


class MemoryIds:
    """`Ids` from a seed."""

    def __init__(self, seed: int = 0) -> None:
        """Two sources of one seed make the same ids."""
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose, and for tests only

    def new(self) -> str:
        """The next id."""
        return f"{self._random.getrandbits(80):020x}"
