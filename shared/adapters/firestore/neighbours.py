"""Searches by vector in the client library's words."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.async_client import AsyncClient
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector

from shared.ports.vector_index import NearestQuery

DISTANCE = "distance_"
"""The field that the answer's documents carry beside their own."""


def nearest_query_of(client: AsyncClient, query: NearestQuery) -> Any:
    """The query; its index has the fields of the equalities and then the vector's."""
    made: Any = client.collection(query.collection)
    for condition in query.where:
        made = made.where(filter=FieldFilter(condition.field, condition.operator, condition.value))
    return made.find_nearest(
        vector_field=query.field,
        query_vector=Vector(query.vector.values),
        limit=query.limit,
        distance_measure=DistanceMeasure.COSINE,
        distance_result_field=DISTANCE,
    )
