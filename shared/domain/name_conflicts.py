"""What to do where a name is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

OnConflict: TypeAlias = Literal["refuse", "rename", "version"]
"""Refuse, choose another name, or add to what has the name: a version to an agent, documents to a collection."""

_NAME_CHARACTERS = 64
_NAMES_TRIED = 20


def names_like(name: str, ending: str) -> Iterator[str]:
    """The name, then the first that it makes with an ending, and with numbers: twenty in all."""
    yield name
    for number in range(1, _NAMES_TRIED):
        end = f"_{ending}" if number == 1 else f"_{ending}_{number}"
        yield name[: _NAME_CHARACTERS - len(end)] + end
