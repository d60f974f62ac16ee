"""Read how a document of knowledge is doing."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.ids import Uid
from shared.domain.knowledge import CollectionId, DocumentId, KnowledgeDocument, document_path, documents_path
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query
from shared.usecases.knowledge.get_collection import get_collection
from shared.usecases.read_page import read_page


async def get_document(
    documents: Documents, uid: Uid, collection_id: CollectionId, document_id: DocumentId
) -> KnowledgeDocument:
    """The document's record, if this person may read its collection.

    Raises:
        NotFound: there is no such collection or document for this person.
        Unavailable: the store does not answer.
    """
    await get_collection(documents, uid, collection_id)
    fields = (await documents.get(document_path(collection_id, document_id))).fields
    document = None if fields is None else parse(KnowledgeDocument, fields)
    if document is None or document.deleted_at is not None:
        raise NotFound("There is no such document.")
    return document


async def list_documents(
    documents: Documents, uid: Uid, collection_id: CollectionId, limit: int, page_token: str | None
) -> Page[KnowledgeDocument]:
    """The documents of a collection, by name.

    Raises:
        NotFound: there is no such collection for this person.
        InvalidArgument: the token is not one of this list.
    """
    await get_collection(documents, uid, collection_id)
    query = Query(documents_path(collection_id), (Filter("deleted_at", "==", None),), (Order("name"),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(KnowledgeDocument, fields))
