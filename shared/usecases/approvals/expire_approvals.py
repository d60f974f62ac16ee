"""Expire approvals: where nobody answered in time, the default holds."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

from shared.domain.approvals import Approval, ApprovalState
from shared.domain.errors import Aborted, AlreadyDecided
from shared.domain.records import parse
from shared.ports.documents import Filter, Order, Query, Snapshot
from shared.usecases.approvals.decide_approval import settle
from shared.usecases.nodes.engine import Core
from shared.usecases.sweep_each import Report, make_due_again, surface, sweep_each

BATCH = 100
PUT_OFF = timedelta(minutes=10)


async def expire_approvals(core: Core, report: Report = surface) -> int:
    """Decide what is overdue by its default; how many there were.

    One that cannot be decided is put off by a while, so that it holds up no other.

    Raises:
        Unavailable: the store or the queue does not answer; the next sweep goes on.
    """
    now = core.clock.now()
    where = (Filter("state", "==", str(ApprovalState.PENDING)), Filter("expires_at", "<=", now))
    overdue = await core.documents.query(Query("approvals", where, (Order("expires_at"),), limit=BATCH))
    put_off = partial(make_due_again, core.documents, "expires_at", now + PUT_OFF)
    await sweep_each(overdue, partial(_expire, core), put_off, report)
    return len(overdue)


async def _expire(core: Core, snapshot: Snapshot) -> None:
    approval = parse(Approval, snapshot.fields or {})
    with suppress(AlreadyDecided, Aborted):  # a person was faster, or is just deciding
        await settle(core, approval.id, approval.on_expiry(), None)
