"""Hand to the queue what should have been delivered by now."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from shared.domain.records import parse
from shared.domain.webhooks import DELIVERIES, Delivery
from shared.ports.clock import Clock
from shared.ports.documents import Documents, Filter, Order, Query, Snapshot
from shared.ports.task_queue import DeliveryQueue, DeliveryTask
from shared.usecases.sweep_each import Report, make_due_again, surface, sweep_each

PUT_OFF = timedelta(hours=1)


async def sweep_deliveries(
    documents: Documents, queue: DeliveryQueue, clock: Clock, limit: int, report: Report = surface
) -> int:
    """Enqueue a task for each delivery that is due; how many there were. A task that comes twice delivers once.

    One that cannot be read is put off, so that it holds up no other.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    now = clock.now()
    due = Query(DELIVERIES, (Filter("next_attempt_at", "<=", now),), (Order("next_attempt_at"),), limit=limit)
    later = partial(make_due_again, documents, "next_attempt_at", now + PUT_OFF)
    found = await sweep_each(await documents.query(due), _read, later, report)
    await queue.enqueue([DeliveryTask(delivery.id, f"sweep {now.isoformat()}") for delivery in found])
    return len(found)


async def _read(snapshot: Snapshot) -> Delivery:
    return parse(Delivery, snapshot.fields or {})
