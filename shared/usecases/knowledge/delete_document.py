"""Delete a document of knowledge."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.ids import Uid
from shared.domain.knowledge import CollectionId, DocumentId, KnowledgeDocument, document_path
from shared.domain.records import parse
from shared.domain.writes import Update
from shared.ports.documents import Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.knowledge.get_collection import get_own_collection
from shared.usecases.knowledge.hand_over import hand_over, mark
from shared.usecases.knowledge.library import Library


async def delete_document(library: Library, uid: Uid, collection_id: CollectionId, document_id: DocumentId) -> None:
    """Take a document out of sight and out of every search at once; it is removed in the background.

    Raises:
        NotFound: there is no such collection or document for this person.
        PermissionDenied: the person may read the collection but not change it.
        Unavailable: the store or the queue does not answer.
    """
    await get_own_collection(library.documents, uid, collection_id)
    now, asked = library.clock.now(), False

    async def delete(snapshot: Snapshot) -> Change[None]:
        nonlocal asked
        stored = None if snapshot.fields is None else parse(KnowledgeDocument, snapshot.fields)
        if asked and (stored is None or stored.deleted_at == now):
            return Change(None)
        if stored is None or stored.deleted_at is not None:
            raise NotFound("There is no such document.")
        asked = True
        marked = Update(snapshot.path, {"deleted_at": now, "updated_at": now}, seen=snapshot.update_time)
        return Change(None, [marked, mark(library.clock, collection_id, document_id)])

    await change_record(library.documents, library.clock, document_path(collection_id, document_id), delete)
    await hand_over(library, collection_id, document_id, f"delete {now.isoformat()}")
