"""The HTTP face of knowledge: collections, and documents as raw bytes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.knowledge import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_DOCUMENT_BYTES,
    Collection,
    CollectionId,
    DocumentId,
    DocumentState,
    KnowledgeDocument,
)
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.middleware import BodyLimit
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.sent_file import ANY_BYTES, named_media_type
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.delete_collection import delete_collection
from shared.usecases.knowledge.delete_document import delete_document
from shared.usecases.knowledge.get_collection import get_collection, list_collections
from shared.usecases.knowledge.get_document import get_document, list_documents
from shared.usecases.knowledge.library import Library
from shared.usecases.knowledge.put_document import NewDocument, put_document
from shared.usecases.knowledge.refresh_document import refresh_document

DOCUMENT_BODIES = BodyLimit("PUT", re.compile(r"/knowledge/[^/]+/documents"), MAX_DOCUMENT_BYTES)


class CollectionBody(BaseModel):
    """A collection to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, description="Unique among yours; agents name it.")
    description: str = Field(default="", max_length=MAX_DESCRIPTION_CHARACTERS)


class CollectionQuery(PageQuery):
    """Which collections."""

    shared: bool = Field(default=False, description="Those that others shared with you, instead of your own.")


class CollectionView(BaseModel):
    """A collection of documents that agents search."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    owner_uid: str
    name: str
    description: str
    embedder: str = Field(description="What makes its vectors: `local:hashed-words` knows words and no meaning.")
    readers: tuple[str, ...] = Field(description="Ids of the people whose agents may search it too.")
    created_at: datetime
    updated_at: datetime


class FailureView(BaseModel):
    """Why a document could not be ingested."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    message: str
    retryable: bool = Field(description="Whether a refresh may help.")


class DocumentView(BaseModel):
    """A document, and how far it is on its way into the index."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    collection_id: str
    name: str
    mime_type: str
    size_bytes: int
    digest: str = Field(description="SHA-256 of the content, in hex.")
    state: DocumentState
    error: FailureView | None
    title: str | None
    pages: int | None
    characters: int | None
    passages: int | None = Field(description="How many it is split into, once that is known.")
    stored: int = Field(description="How many of them are embedded.")
    cut: bool = Field(description="Only the beginning is searched: the document is too long.")
    is_searched: bool = Field(description="Whether there is a content, maybe an earlier one, that searches find.")
    created_at: datetime
    updated_at: datetime
    ingested_at: datetime | None


class CollectionPage(BaseModel):
    """Collections, the newest first."""

    items: list[CollectionView]
    next_page_token: str | None


class DocumentPage(BaseModel):
    """Documents, by name."""

    items: list[DocumentView]
    next_page_token: str | None


def knowledge_routes(library: Library) -> APIRouter:
    """The routes of collections."""
    router = APIRouter(tags=["knowledge"], route_class=JsonRoute)

    @router.post("/knowledge", status_code=201, responses=problem_responses(400, 401, 409))
    async def create(caller: Caller, body: CollectionBody, response: Response) -> CollectionView:
        """Make an empty collection."""
        collection = await create_collection(library, caller.uid, body.name, body.description)
        response.headers["Location"] = f"/knowledge/{collection.id}"
        return _collection(collection)

    @router.get("/knowledge", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[CollectionQuery, Query()]) -> CollectionPage:
        """List your collections, or those that others shared with you, the newest first."""
        page = await list_collections(library.documents, caller.uid, query.limit, query.page_token, shared=query.shared)
        return CollectionPage(items=[_collection(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/knowledge/{collection_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, collection_id: ResourceId) -> CollectionView:
        """Read a collection."""
        return _collection(await get_collection(library.documents, caller.uid, CollectionId(collection_id)))

    @router.delete("/knowledge/{collection_id}", status_code=204, responses=problem_responses(401, 403, 404))
    async def delete(caller: Caller, collection_id: ResourceId) -> None:
        """Delete a collection with its documents; searches find nothing of it from now on."""
        await delete_collection(library, caller.uid, CollectionId(collection_id))

    return router


def document_reading_routes(library: Library) -> APIRouter:
    """The routes that show a collection's documents."""
    router = APIRouter(tags=["knowledge"], route_class=JsonRoute)

    @router.get("/knowledge/{collection_id}/documents", responses=problem_responses(400, 401, 404))
    async def find(caller: Caller, collection_id: ResourceId, query: Annotated[PageQuery, Query()]) -> DocumentPage:
        """List the documents of a collection, by name, each with its state."""
        page = await list_documents(
            library.documents, caller.uid, CollectionId(collection_id), query.limit, query.page_token
        )
        return DocumentPage(items=[_document(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/knowledge/{collection_id}/documents/{document_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, collection_id: ResourceId, document_id: ResourceId) -> DocumentView:
        """Read how a document is doing."""
        ids = CollectionId(collection_id), DocumentId(document_id)
        return _document(await get_document(library.documents, caller.uid, *ids))

    return router


def document_routes(library: Library) -> APIRouter:
    """The routes that change a collection's documents."""
    router = APIRouter(tags=["knowledge"], route_class=JsonRoute)

    @router.put(
        "/knowledge/{collection_id}/documents",
        openapi_extra=ANY_BYTES,
        responses=problem_responses(400, 401, 403, 404, 409, 413),
    )
    async def put(
        caller: Caller,
        collection_id: ResourceId,
        name: Annotated[str, Query(max_length=512)],
        request: Request,
        response: Response,
    ) -> DocumentView:
        """Bring the body as a document, and ingest it in the background (202); 200 if it is there already."""
        new = NewDocument(name, await request.body(), named_media_type(request))
        document, changed = await put_document(library, caller.uid, CollectionId(collection_id), new)
        response.status_code = 202 if changed else 200
        response.headers["Location"] = f"/knowledge/{collection_id}/documents/{document.id}"
        return _document(document)

    @router.post(
        "/knowledge/{collection_id}/documents/{document_id}/refresh",
        status_code=202,
        responses=problem_responses(401, 403, 404),
    )
    async def refresh(caller: Caller, collection_id: ResourceId, document_id: ResourceId) -> DocumentView:
        """Ingest a document once more, such as after a failure."""
        ids = CollectionId(collection_id), DocumentId(document_id)
        return _document(await refresh_document(library, caller.uid, *ids))

    @router.delete(
        "/knowledge/{collection_id}/documents/{document_id}",
        status_code=204,
        responses=problem_responses(401, 403, 404),
    )
    async def delete(caller: Caller, collection_id: ResourceId, document_id: ResourceId) -> None:
        """Delete a document; searches find nothing of it from now on."""
        await delete_document(library, caller.uid, CollectionId(collection_id), DocumentId(document_id))

    return router


def _collection(collection: Collection) -> CollectionView:
    return CollectionView.model_validate(collection)


def _document(document: KnowledgeDocument) -> DocumentView:
    return DocumentView.model_validate(document)
