"""Hand to the queue what should have been delivered by now."""

from __future__ import annotations

from shared.domain.ids import DeliveryId
from shared.domain.webhooks import DELIVERIES
from shared.ports.clock import Clock
from shared.ports.documents import Documents, Filter, Order, Query
from shared.ports.task_queue import DeliveryQueue, DeliveryTask


async def sweep_deliveries(documents: Documents, queue: DeliveryQueue, clock: Clock, limit: int) -> int:
    """Enqueue a task for each delivery that is due; how many there were. A task that comes twice delivers once.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    now = clock.now()
    due = Query(DELIVERIES, (Filter("next_attempt_at", "<=", now),), (Order("next_attempt_at"),), limit=limit)
    found = await documents.query(due)
    await queue.enqueue([DeliveryTask(DeliveryId(one.id), f"sweep {now.isoformat()}") for one in found])
    return len(found)
