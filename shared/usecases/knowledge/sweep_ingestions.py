"""Hand to the queue again what should have been done about knowledge by now."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from shared.domain.dead_letters import FRUITLESS_PAUSE, DeadLetterKind
from shared.domain.knowledge import INGESTIONS, SWEEP_AFTER, Ingestion, collection_path, document_path
from shared.domain.records import parse
from shared.domain.writes import Update
from shared.ports.clock import Clock
from shared.ports.documents import Documents, Filter, Order, Query, Snapshot
from shared.ports.task_queue import IngestQueue, IngestTask
from shared.usecases.dead_letters.count_fruitless import Undone, count_fruitless
from shared.usecases.sweep_each import Report, make_due_again, surface, sweep_each
from shared.usecases.try_commit import try_commit


async def sweep_ingestions(
    documents: Documents, queue: IngestQueue, clock: Clock, limit: int, report: Report = surface
) -> int:
    """Enqueue a task for each mark that is due, and look at it again later; how many were enqueued.

    One that cannot be read is put off, so that it holds up no other.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    now = clock.now()
    due = Query(INGESTIONS, (Filter("next_sweep_at", "<=", now),), (Order("next_sweep_at"),), limit=limit)

    async def hand_on(snapshot: Snapshot) -> None:
        ingestion = parse(Ingestion, snapshot.fields or {})
        cause = f"sweep {ingestion.next_sweep_at.isoformat()}"
        await queue.enqueue([IngestTask(ingestion.collection_id, ingestion.document_id, cause)])
        pause = FRUITLESS_PAUSE if await _is_fruitless(documents, ingestion, now) else SWEEP_AFTER
        # Refused where it was done with meanwhile; else it is swept again under the same name.
        await try_commit(documents, [Update(snapshot.path, {"next_sweep_at": now + pause}, seen=snapshot.update_time)])

    later = partial(make_due_again, documents, "next_sweep_at", now + SWEEP_AFTER)
    return len(await sweep_each(await documents.query(due), hand_on, later, report))


async def _is_fruitless(documents: Documents, ingestion: Ingestion, now: datetime) -> bool:
    """Whether sweeps have enqueued this so often that a person should look."""
    collection_id, document_id = ingestion.collection_id, ingestion.document_id
    path = collection_path(collection_id) if document_id is None else document_path(collection_id, document_id)
    about = (await documents.get(path)).fields
    if about is None:
        return False  # bytes without a record are removed in their own time
    undone = Undone(
        kind=DeadLetterKind.INGESTION,
        owner_uid=about["owner_uid"],
        subject={"collection_id": collection_id, **({} if document_id is None else {"document_id": document_id})},
        mark=ingestion.marked_at.isoformat(),
        reason=f"{about['name']}: it is enqueued again and again, and not done",
    )
    return await count_fruitless(documents, undone, now)
