"""Ingest a document of knowledge once more, such as after a failure."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import NotFound
from shared.domain.ids import Uid
from shared.domain.knowledge import CollectionId, DocumentId, DocumentState, KnowledgeDocument, document_path
from shared.domain.records import parse, render
from shared.domain.writes import Update
from shared.ports.documents import Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.knowledge.get_collection import get_own_collection
from shared.usecases.knowledge.get_document import get_document
from shared.usecases.knowledge.hand_over import hand_over, mark
from shared.usecases.knowledge.library import Library
from shared.usecases.knowledge.put_document import superseded


async def refresh_document(
    library: Library, uid: Uid, collection_id: CollectionId, document_id: DocumentId
) -> KnowledgeDocument:
    """Have the stored content read, split and embedded anew; until that is done, what was searched stays searched.

    Raises:
        NotFound: there is no such collection or document for this person.
        PermissionDenied: the person may read the collection but not change it.
        Unavailable: the store or the queue does not answer.
    """
    await get_own_collection(library.documents, uid, collection_id)
    revision, now = library.ids.new(), library.clock.now()

    async def refresh(snapshot: Snapshot) -> Change[None]:
        stored = None if snapshot.fields is None else parse(KnowledgeDocument, snapshot.fields)
        if stored is None or stored.deleted_at is not None:
            raise NotFound("There is no such document.")
        if stored.revision == revision:
            return Change(None)
        refreshed = replace(
            stored,
            revision=revision,
            state=DocumentState.PENDING,
            updated_at=now,
            stale=superseded(stored, upload=False),
            passages=None,
            stored=0,
            attempt=0,
            token=None,
            error=None,
        )
        marked = mark(library.clock, collection_id, document_id)
        return Change(None, [Update(snapshot.path, render(refreshed), seen=snapshot.update_time), marked])

    await change_record(library.documents, library.clock, document_path(collection_id, document_id), refresh)
    await hand_over(library, collection_id, document_id, revision)
    return await get_document(library.documents, uid, collection_id, document_id)
