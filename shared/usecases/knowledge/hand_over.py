"""Hand what follows from a change of a document or a collection to the queue."""

from __future__ import annotations

from shared.domain.knowledge import SWEEP_AFTER, CollectionId, DocumentId, Ingestion, ingestion_path
from shared.domain.records import render
from shared.domain.writes import Put
from shared.ports.clock import Clock
from shared.ports.task_queue import IngestTask
from shared.usecases.knowledge.library import Library


def mark(clock: Clock, collection_id: CollectionId, document_id: DocumentId | None) -> Put:
    """The write that has the sweeper look after what is to be done."""
    now = clock.now()
    ingestion = Ingestion(collection_id, document_id, now, now + SWEEP_AFTER)
    return Put(ingestion_path(collection_id, document_id), render(ingestion))


async def hand_over(library: Library, collection_id: CollectionId, document_id: DocumentId | None, cause: str) -> None:
    """Have the worker bring what is stored in line with the record.

    Raises:
        Unavailable: the queue does not answer; the sweeper will hand it over.
    """
    await library.queue.enqueue([IngestTask(collection_id, document_id, cause)])
