"""A search engine for the web."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result: where it is, and the part that answers."""

    title: str
    url: str
    excerpt: str


class WebSearch(Protocol):
    """Searches the web."""

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        """The best results first, at most `limit`.

        Raises:
            shared.domain.errors.DomainError: the search failed; its message is told to the model.
        """
        ...
