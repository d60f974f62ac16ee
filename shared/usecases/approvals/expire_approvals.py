"""Expire approvals: where nobody answered in time, the default holds."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

from shared.domain.approvals import Approval, ApprovalState
from shared.domain.errors import Aborted, AlreadyDecided
from shared.domain.records import parse
from shared.domain.writes import Update
from shared.ports.documents import Filter, Order, Query, Snapshot
from shared.usecases.approvals.decide_approval import settle
from shared.usecases.nodes.engine import Core
from shared.usecases.sweep_each import Report, surface, sweep_each
from shared.usecases.try_commit import try_commit

BATCH = 100
PUT_OFF = timedelta(minutes=10)


async def expire_approvals(core: Core, report: Report = surface) -> int:
    """Decide what is overdue by its default; how many there were.

    One that cannot be decided is put off by a while, so that it holds up no other.

    Raises:
        Unavailable: the store or the queue does not answer; the next sweep goes on.
    """
    where = (Filter("state", "==", str(ApprovalState.PENDING)), Filter("expires_at", "<=", core.clock.now()))
    overdue = await core.documents.query(Query("approvals", where, (Order("expires_at"),), limit=BATCH))
    await sweep_each(overdue, partial(_expire, core), partial(_put_off, core), report)
    return len(overdue)


async def _expire(core: Core, snapshot: Snapshot) -> None:
    approval = parse(Approval, snapshot.fields or {})
    with suppress(AlreadyDecided, Aborted):  # a person was faster, or is just deciding
        await settle(core, approval.id, approval.on_expiry(), None)


async def _put_off(core: Core, snapshot: Snapshot, _error: Exception) -> None:
    later = Update(snapshot.path, {"expires_at": core.clock.now() + PUT_OFF}, seen=snapshot.update_time)
    await try_commit(core.documents, [later])
