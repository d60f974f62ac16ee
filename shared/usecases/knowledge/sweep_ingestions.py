"""Hand to the queue again what should have been done about knowledge by now."""

from __future__ import annotations

from shared.domain.knowledge import INGESTIONS, SWEEP_AFTER, Ingestion
from shared.domain.records import parse
from shared.domain.writes import Update
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, Filter, Order, OutcomeUnknown, Query
from shared.ports.task_queue import IngestQueue, IngestTask


async def sweep_ingestions(documents: Documents, queue: IngestQueue, clock: Clock, limit: int) -> int:
    """Enqueue a task for each mark that is due, and look at it again later; how many were enqueued.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    now = clock.now()
    due = Query(INGESTIONS, (Filter("next_sweep_at", "<=", now),), (Order("next_sweep_at"),), limit=limit)
    found = await documents.query(due)
    for snapshot in found:
        ingestion = parse(Ingestion, snapshot.fields or {})
        cause = f"sweep {ingestion.next_sweep_at.isoformat()}"
        await queue.enqueue([IngestTask(ingestion.collection_id, ingestion.document_id, cause)])
        try:
            await documents.commit(
                [Update(snapshot.path, {"next_sweep_at": now + SWEEP_AFTER}, seen=snapshot.update_time)]
            )
        except (CommitRefused, OutcomeUnknown):
            continue  # done with meanwhile, or swept again under the same name
    return len(found)
