"""Bring what is stored of a document, or of a deleted collection, in line with its record: what a task asks for."""

from __future__ import annotations

from shared.domain.knowledge import (
    SWEEP_AFTER,
    CollectionId,
    DocumentId,
    Ingestion,
    KnowledgeDocument,
    document_path,
    ingestion_path,
)
from shared.domain.records import parse
from shared.domain.writes import Delete
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.knowledge.ingest_document import ingest_document
from shared.usecases.knowledge.library import Indexer, Library
from shared.usecases.knowledge.remove_knowledge import (
    remove_collection,
    remove_contents,
    remove_document,
    remove_stale,
)
from shared.usecases.try_commit import try_commit


async def tend_knowledge(
    indexer: Indexer, collection_id: CollectionId, document_id: DocumentId | None
) -> Acknowledgement:
    """Do what is to be done; safe to call any number of times, concurrently.

    Raises:
        shared.domain.errors.Unavailable: the store does not answer; deliver the task again.
    """
    library = indexer.library
    if document_id is None:
        gone = await remove_collection(library.documents, collection_id)
        return Acknowledgement.DONE if gone else Acknowledgement.BUSY
    snapshot = await library.documents.get(document_path(collection_id, document_id))
    if snapshot.fields is None:
        await _forget_upload(library, collection_id, document_id)
        return Acknowledgement.DONE
    document = parse(KnowledgeDocument, snapshot.fields)
    if document.deleted_at is not None:
        gone = await remove_document(library.documents, document, snapshot.update_time)
        return Acknowledgement.DONE if gone else Acknowledgement.BUSY
    if not document.is_settled and not await ingest_document(indexer, snapshot):
        return Acknowledgement.BUSY
    return Acknowledgement.DONE if await remove_stale(library.documents, document.path) else Acknowledgement.BUSY


async def _forget_upload(library: Library, collection_id: CollectionId, document_id: DocumentId) -> None:
    """Remove bytes for which no record was ever stored, once it is certain that none is on its way."""
    path = ingestion_path(collection_id, document_id)
    snapshot = await library.documents.get(path)
    if snapshot.fields is None or library.clock.now() - parse(Ingestion, snapshot.fields).marked_at < SWEEP_AFTER:
        return
    await remove_contents(library.documents, collection_id, document_id)
    await try_commit(library.documents, [Delete(path, seen=snapshot.update_time)])  # else the sweeper looks again
