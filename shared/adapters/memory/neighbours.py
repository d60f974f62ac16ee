"""The nearest of vectors in memory, by measuring each."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator

from shared.adapters.memory.values import sort_key
from shared.domain.writes import Fields, Vector
from shared.ports.vector_index import NearestQuery


def nearest(query: NearestQuery, documents: Iterable[tuple[str, Fields]]) -> list[tuple[str, float]]:
    """The ids of the nearest documents, with their distances."""
    measured = ((distance, id_) for id_, distance in _measured(query, documents))
    return [(id_, distance) for distance, id_ in heapq.nsmallest(query.limit, measured)]


def _measured(query: NearestQuery, documents: Iterable[tuple[str, Fields]]) -> Iterator[tuple[str, float]]:
    for id_, fields in documents:
        matches = all(
            condition.field in fields and sort_key(fields[condition.field]) == sort_key(condition.value)
            for condition in query.where
        )
        vector = fields.get(query.field)
        if matches and isinstance(vector, Vector) and len(vector.values) == len(query.vector.values):
            yield id_, _cosine_distance(vector, query.vector)


def _cosine_distance(one: Vector, other: Vector) -> float:
    product = sum(a * b for a, b in zip(one.values, other.values, strict=True))
    lengths = math.hypot(*one.values) * math.hypot(*other.values)
    return 1 - product / lengths if lengths else math.nan
