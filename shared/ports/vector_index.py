"""Finds stored documents by the nearness of their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.domain.writes import Vector
from shared.ports.documents import Filter, Snapshot

MAX_NEIGHBOURS = 1_000
"""Source: https://cloud.google.com/firestore/docs/vector-search#limitations"""


@dataclass(frozen=True, slots=True)
class NearestQuery:
    """Which documents to look among, and near to what.

    Args:
        collection: path of the collection.
        where: equalities, all of which must hold; only what they leave is searched.
        field: the field that holds the documents' vectors.
        vector: the place to be near to, of as many dimensions as theirs.
        limit: the most documents to return, from 1 to 1,000.
    """

    collection: str
    where: tuple[Filter, ...]
    field: str
    vector: Vector
    limit: int


@dataclass(frozen=True, slots=True)
class Near:
    """A document that was found, and its cosine distance: 0 in the same direction, 1 at a right angle, 2 opposite."""

    snapshot: Snapshot
    distance: float


class VectorIndex(Protocol):
    """Searches what `shared.ports.documents` stores."""

    async def nearest(self, query: NearestQuery) -> list[Near]:
        """The nearest documents, the nearest first.

        Raises:
            shared.domain.errors.StoreUnavailable: the store does not answer.
        """
        ...
