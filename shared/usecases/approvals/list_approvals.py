"""The inbox: what a person is asked."""

from __future__ import annotations

from shared.domain.approvals import Approval, ApprovalState
from shared.domain.ids import Uid
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query
from shared.usecases.read_page import read_page

COUNTED = 100
"""The most that are counted: each costs a read."""


async def list_approvals(
    documents: Documents, caller: Uid, state: ApprovalState | None, limit: int, page_token: str | None
) -> Page[Approval]:
    """A page of what this person is or was asked, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    return await read_page(documents, _query(caller, state), limit, page_token, lambda fields: parse(Approval, fields))


async def count_pending(documents: Documents, caller: Uid) -> int:
    """How many approvals wait for this person, counted up to `COUNTED`.

    Raises:
        Unavailable: the store does not answer.
    """
    where = (Filter("asked", "array_contains", caller), Filter("state", "==", str(ApprovalState.PENDING)))
    order = (Order("created_at", descending=True),)
    return len(await documents.query(Query("approvals", where, order, limit=COUNTED)))


def _query(caller: Uid, state: ApprovalState | None) -> Query:
    where = [Filter("asked", "array_contains", caller)]
    if state is not None:
        where.append(Filter("state", "==", str(state)))
    return Query("approvals", tuple(where), (Order("created_at", descending=True),))
