"""Turns text into vectors whose nearness says how much two texts have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.writes import Vector


class Embedder(Protocol):
    """One way of making vectors; only its own can be compared with each other."""

    @property
    def name(self) -> str:
        """`provider:model`, stored with what it has made."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """One vector for each text to be found, in their order, of `shared.domain.knowledge.DIMENSIONS`.

        Raises:
            shared.domain.errors.Unavailable: it does not answer; trying again may help.
            shared.domain.errors.DomainError: it cannot embed these texts.
        """
        ...

    async def embed_query(self, text: str) -> Vector:
        """The vector with which to look for texts that answer this one.

        Raises:
            shared.domain.errors.DomainError: as above.
        """
        ...


class Embedders(Protocol):
    """The embedders of this deployment."""

    def find(self, name: str) -> Embedder | None:
        """The embedder of that name, or None where it is not known; it may still turn out not to be configured."""
        ...
