"""Read a page of a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from shared.domain.pages import Page, read_token, write_token
from shared.domain.writes import Fields
from shared.ports.documents import Documents, Query

T = TypeVar("T")
_KEY = str | int | float | bool | datetime | None


async def read_page(
    documents: Documents, query: Query, limit: int, page_token: str | None, read: Callable[[Fields], T]
) -> Page[T]:
    """The next `limit` documents that match, each as `read` makes it of its fields.

    Args:
        documents: the store.
        query: without limit and cursor.
        limit: the most items, from 1.
        page_token: of the page before; None for the first page.
        read: makes an item of a document's fields.

    Raises:
        InvalidArgument: the token is not one of this query.
        Unavailable: the store does not answer.
    """
    question = repr(query)
    kinds = [_KEY] * len(query.order_by)
    after = read_token(question, page_token, *kinds, str) if page_token else None
    found = await documents.query(replace(query, limit=limit + 1, after=after))
    items = tuple(read(snapshot.fields or {}) for snapshot in found[:limit])
    if len(found) <= limit:
        return Page(items)
    last = found[limit - 1]
    keys = tuple((last.fields or {}).get(order.field) for order in query.order_by)
    return Page(items, write_token(question, (*keys, last.id)))
