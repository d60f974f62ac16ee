"""Remove what is stored of knowledge that was deleted or superseded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from shared.domain.knowledge import (
    PASSAGES,
    Collection,
    CollectionId,
    DocumentId,
    KnowledgeDocument,
    collection_path,
    contents_path,
    documents_path,
    ingestion_path,
)
from shared.domain.records import parse
from shared.domain.writes import Delete, Update
from shared.ports.documents import Documents, Filter, Query
from shared.usecases.try_commit import try_commit

BATCH = 300


async def remove_document(documents: Documents, document: KnowledgeDocument, seen: datetime | None) -> bool:
    """Remove a document that was deleted, its record last; False if somebody else is at it."""
    async for paths in _found(documents, _passages(document)):
        await _delete(documents, paths)
    await remove_contents(documents, document.collection_id, document.id)
    mark = Delete(ingestion_path(document.collection_id, document.id))
    return await try_commit(documents, [Delete(document.path, seen=seen), mark])


async def remove_contents(documents: Documents, collection_id: CollectionId, document_id: DocumentId) -> None:
    """Remove all bytes that were brought for a document."""
    async for paths in _found(documents, Query(contents_path(collection_id, document_id))):
        await _delete(documents, paths)


async def remove_collection(documents: Documents, collection_id: CollectionId) -> bool:
    """Remove a collection that was deleted, with all of its documents; False if one was added meanwhile."""
    path = collection_path(collection_id)
    snapshot = await documents.get(path)
    if snapshot.fields is None or parse(Collection, snapshot.fields).deleted_at is None:
        return True
    while records := await documents.query(Query(documents_path(collection_id), limit=BATCH)):
        for record in records:
            document = parse(KnowledgeDocument, record.fields or {})
            if not await remove_document(documents, document, record.update_time):
                return False
    return await try_commit(
        documents, [Delete(path, seen=snapshot.update_time), Delete(ingestion_path(collection_id, None))]
    )


async def remove_stale(documents: Documents, path: str) -> bool:
    """Remove what the document's record names as superseded, and then its mark; False if it changed meanwhile."""
    snapshot = await documents.get(path)
    if snapshot.fields is None:
        return True
    document = parse(KnowledgeDocument, snapshot.fields)
    if not document.is_settled or document.deleted_at is not None:
        return False
    for name in document.stale:
        for query in (_passages(document, name), _uploaded(document, name)):
            async for paths in _found(documents, query):
                await _delete(documents, paths)
    mark = Delete(ingestion_path(document.collection_id, document.id))
    # The record is held, so that the mark of a revision that came meanwhile stays.
    return await try_commit(documents, [Update(path, {"stale": []}, seen=snapshot.update_time), mark])


def _passages(document: KnowledgeDocument, revision: str | None = None) -> Query:
    where = (Filter("collection_id", "==", document.collection_id), Filter("document_id", "==", document.id))
    return Query(PASSAGES, where if revision is None else (*where, Filter("revision", "==", revision)))


def _uploaded(document: KnowledgeDocument, upload: str) -> Query:
    return Query(contents_path(document.collection_id, document.id), (Filter("upload", "==", upload),))


async def _found(documents: Documents, query: Query) -> AsyncIterator[Sequence[str]]:
    """The paths of what the query finds, batch by batch, while whoever asks deletes them."""
    limited = Query(query.collection, query.where, limit=BATCH)
    while paths := [found.path for found in await documents.query(limited)]:
        yield paths


async def _delete(documents: Documents, paths: Iterable[str]) -> None:
    await try_commit(documents, [Delete(path) for path in paths])
