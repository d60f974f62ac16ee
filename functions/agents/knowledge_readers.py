"""The HTTP face of sharing collections of knowledge: parse, call a use case, render."""

from __future__ import annotations

from fastapi import APIRouter, Response

from shared.domain.ids import Uid
from shared.domain.knowledge import CollectionId
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.path_ids import ResourceId
from shared.edge.readers import PersonView, ReaderBody, ReaderId
from shared.usecases.grants.sharing import Sharing
from shared.usecases.knowledge.share_collection import add_collection_reader, remove_collection_reader


class CollectionReaderView(PersonView):
    """Somebody whose agents may search a collection."""

    collection_id: str


def knowledge_reader_routes(sharing: Sharing) -> APIRouter:
    """The routes of a collection's readers."""
    router = APIRouter(tags=["knowledge"], route_class=JsonRoute)

    @router.post("/knowledge/{collection_id}/readers", responses=problem_responses(400, 401, 403, 404, 409, 429, 503))
    async def add(
        caller: Caller, collection_id: ResourceId, body: ReaderBody, response: Response
    ) -> CollectionReaderView:
        """Let somebody read your collection, and their agents search it (201); who may do so already (200)."""
        reader, is_new = await add_collection_reader(sharing, caller.uid, CollectionId(collection_id), body.reader)
        response.status_code = 201 if is_new else 200
        response.headers["Location"] = f"/knowledge/{collection_id}/readers/{reader.uid}"
        return CollectionReaderView(collection_id=collection_id, **PersonView.model_validate(reader).model_dump())

    @router.delete(
        "/knowledge/{collection_id}/readers/{reader}",
        status_code=204,
        responses=problem_responses(401, 403, 404, 409, 503),
    )
    async def remove(caller: Caller, collection_id: ResourceId, reader: ReaderId) -> None:
        """Let somebody read your collection no longer, at once; or leave one that was shared with you."""
        uid = caller.uid if reader == "me" else Uid(reader)
        await remove_collection_reader(sharing.documents, caller.uid, CollectionId(collection_id), uid)

    return router
