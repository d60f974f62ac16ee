"""The source of new identifiers."""

from __future__ import annotations

from typing import Protocol


class Ids(Protocol):
    """Makes identifiers that nobody can guess."""

    def new(self) -> str:
        """A fresh opaque id: 20 or more characters of [A-Za-z0-9]."""
        ...
