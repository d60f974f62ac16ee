"""Expire approvals: where nobody answered in time, the default holds."""

from __future__ import annotations

from shared.domain.approvals import Approval, ApprovalState
from shared.domain.errors import Aborted, AlreadyDecided
from shared.domain.records import parse
from shared.ports.documents import Filter, Order, Query
from shared.usecases.approvals.decide_approval import settle
from shared.usecases.nodes.engine import Core

BATCH = 100


async def expire_approvals(core: Core) -> int:
    """Decide what is overdue by its default; how many there were.

    Raises:
        Unavailable: the store or the queue does not answer; the next sweep goes on.
    """
    where = (Filter("state", "==", str(ApprovalState.PENDING)), Filter("expires_at", "<=", core.clock.now()))
    overdue = await core.documents.query(Query("approvals", where, (Order("expires_at"),), limit=BATCH))
    for snapshot in overdue:
        approval = parse(Approval, snapshot.fields or {})
        try:
            await settle(core, approval.id, approval.on_expiry(), None)
        except (AlreadyDecided, Aborted):
            continue  # a person was faster, or is just deciding
    return len(overdue)
