"""The HTTP face of sharing conversations: parse, call a use case, render."""

from __future__ import annotations

from fastapi import APIRouter, Response

from shared.domain.ids import SessionId, Uid
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.path_ids import ResourceId
from shared.edge.readers import PersonView, ReaderBody, ReaderId
from shared.usecases.grants.sharing import Sharing
from shared.usecases.sessions.share_session import add_reader, remove_reader


class ReaderView(PersonView):
    """Somebody who may read a conversation."""

    session_id: str


def reader_routes(sharing: Sharing) -> APIRouter:
    """The routes of a session's readers."""
    router = APIRouter(tags=["readers"], route_class=JsonRoute)

    @router.post("/sessions/{session_id}/readers", responses=problem_responses(400, 401, 403, 404, 409, 429, 503))
    async def add(caller: Caller, session_id: ResourceId, body: ReaderBody, response: Response) -> ReaderView:
        """Let somebody read your conversation with its runs and files (201), who may do so already (200)."""
        reader, is_new = await add_reader(sharing, caller.uid, SessionId(session_id), body.reader)
        response.status_code = 201 if is_new else 200
        response.headers["Location"] = f"/sessions/{session_id}/readers/{reader.uid}"
        return ReaderView(session_id=session_id, **PersonView.model_validate(reader).model_dump())

    @router.delete(
        "/sessions/{session_id}/readers/{reader}", status_code=204, responses=problem_responses(401, 403, 404, 409, 503)
    )
    async def remove(caller: Caller, session_id: ResourceId, reader: ReaderId) -> None:
        """Let somebody read your conversation no longer, at once; or leave one that was shared with you."""
        uid = caller.uid if reader == "me" else Uid(reader)
        await remove_reader(sharing.documents, caller.uid, SessionId(session_id), uid)

    return router
