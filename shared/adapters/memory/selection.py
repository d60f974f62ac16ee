"""Queries over documents in memory, with Firestore's rules of matching, ordering and paging."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cmp_to_key
from operator import itemgetter
from typing import Any, TypeAlias, cast

from shared.adapters.memory.values import sort_key
from shared.domain.writes import Fields
from shared.ports.documents import Filter, Order, Query
from shared.ports.query_limits import check_query, effective_orders

Document: TypeAlias = tuple[str, Fields]
"""A document's id and its fields."""

_INEQUALITIES: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def select(query: Query, documents: Iterable[Document]) -> list[Document]:
    """The documents of one collection that the query returns, in its order.

    Raises:
        Internal: the query is one that Firestore would refuse.
    """
    check_query(query)
    orders = effective_orders(query)
    found = [document for document in documents if _belongs(document, query.where, orders)]
    found.sort(key=cmp_to_key(lambda one, other: _compare(one, other, orders)) if orders else itemgetter(0))
    if query.after is not None:
        last = (query.after[-1], {o.field: v for o, v in zip(orders, query.after, strict=False)})
        found = [document for document in found if _compare(document, last, orders) > 0]
    return found[: query.limit]


def _belongs(document: Document, where: Sequence[Filter], orders: Sequence[Order]) -> bool:
    _, fields = document
    return all(order.field in fields for order in orders) and all(
        condition.field in fields and _matches(fields[condition.field], condition) for condition in where
    )


def _matches(value: Any, condition: Filter) -> bool:
    key = sort_key(value)
    match condition.operator:
        case "==":
            return key == sort_key(condition.value)
        case "in":
            return key in [sort_key(item) for item in condition.value if item is not None]
        case "array_contains":
            items = cast("list[Any]", value) if isinstance(value, list) else []
            return sort_key(condition.value) in [sort_key(item) for item in items]
        case _:
            wanted = sort_key(condition.value)
            # Only values of the same type are compared, so null never matches.
            return key[0] == wanted[0] and _INEQUALITIES[condition.operator](key, wanted)


def _compare(one: Document, other: Document, orders: Sequence[Order]) -> int:
    for order in orders:
        left, right = sort_key(one[1][order.field]), sort_key(other[1][order.field])
        if left != right:
            return _signed(left < right, descending=order.descending)
    if one[0] == other[0]:
        return 0
    return _signed(one[0] < other[0], descending=bool(orders) and orders[-1].descending)


def _signed(less: bool, *, descending: bool) -> int:  # noqa: FBT001 - a comparison's result
    return -1 if less != descending else 1
