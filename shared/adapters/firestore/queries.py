"""Queries in the client library's words."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.async_client import AsyncClient
from google.cloud.firestore_v1.async_query import AsyncQuery
from google.cloud.firestore_v1.base_query import FieldFilter

from shared.ports.documents import Query
from shared.ports.query_limits import effective_orders


def query_of(client: AsyncClient, query: Query) -> AsyncQuery:
    """The query, with every sort key written out, so that cursors and indexes mean the same thing."""
    made: Any = client.collection(query.collection)
    for condition in query.where:
        made = made.where(filter=FieldFilter(condition.field, condition.operator, condition.value))
    orders = effective_orders(query)
    for order in orders:
        made = made.order_by(order.field, direction=_direction(descending=order.descending))
    made = made.order_by("__name__", direction=_direction(descending=bool(orders) and orders[-1].descending))
    if query.limit is not None:
        made = made.limit(query.limit)
    return made if query.after is None else made.start_after(list(query.after))


def _direction(*, descending: bool) -> str:
    return AsyncQuery.DESCENDING if descending else AsyncQuery.ASCENDING
