"""What a query must be for Firestore to take it, and the order in which its results come.

Source: https://cloud.google.com/firestore/docs/query-data/queries#limits
"""

from __future__ import annotations

from shared.domain.errors import Internal
from shared.ports.documents import Filter, Order, Query

INEQUALITIES = frozenset({"<", "<=", ">", ">="})
MAX_CHOICES = 30


def effective_orders(query: Query) -> tuple[Order, ...]:
    """The sort keys that apply before the id: the query's own, then its other inequality fields by name."""
    named = {order.field for order in query.order_by}
    unequal = {condition.field for condition in query.where if condition.operator in INEQUALITIES}
    descending = bool(query.order_by) and query.order_by[-1].descending
    return query.order_by + tuple(Order(field, descending) for field in sorted(unequal - named))


def check_query(query: Query) -> None:
    """Refuse a query that production would not take.

    Raises:
        Internal: only a defect of ours can ask such a thing.
    """
    if len(query.collection.split("/")) % 2 == 0:
        raise Internal(f"{query.collection!r} names a document, not a collection")
    if query.limit is not None and query.limit < 1:
        raise Internal("a query's limit is at least 1")
    for condition in query.where:
        _check_condition(condition)
    if query.after is not None:
        if len(query.after) != len(query.order_by) + 1:
            raise Internal("a cursor holds the values of the sort keys and then the id")
        if effective_orders(query) != query.order_by:
            raise Internal("a query with a cursor names its inequality fields in order_by")


def _check_condition(condition: Filter) -> None:
    if condition.operator in INEQUALITIES and condition.value is None:
        raise Internal("nothing is less or greater than null")
    if condition.operator == "in" and not 0 < len(condition.value) <= MAX_CHOICES:
        raise Internal(f"`in` takes 1 to {MAX_CHOICES} values")
