"""The HTTP face of a session's files: raw bytes in and out."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from functions.runs.requests import ArtifactQuery
from functions.runs.views import ArtifactPage, ArtifactView, render_artifact
from shared.domain.artifacts import MAX_ARTIFACT_BYTES
from shared.domain.ids import SessionId
from shared.domain.pages import read_token, write_token
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.etags import etag_of, is_known
from shared.edge.middleware import BodyLimit
from shared.edge.path_ids import ResourceId
from shared.edge.sent_file import ANY_BYTES, named_media_type
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.usecases.artifacts.get_artifact import ArtifactContent, get_artifact
from shared.usecases.artifacts.list_artifacts import list_artifacts
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact
from shared.usecases.sessions.get_session import get_own_session, get_session

ARTIFACT_BODIES = BodyLimit("PUT", re.compile(r"/sessions/[^/]+/artifacts"), MAX_ARTIFACT_BYTES)

_SHOWN_INLINE = frozenset({"text/plain", "text/markdown", "application/json", "image/gif", "image/jpeg", "image/png"})
"""What a browser may show: nothing in it runs."""


def artifact_routes(documents: Documents, clock: Clock) -> APIRouter:
    """The routes of a session's files."""
    router = APIRouter(tags=["artifacts"])

    @router.put(
        "/sessions/{session_id}/artifacts",
        openapi_extra=ANY_BYTES,
        responses=problem_responses(400, 401, 403, 404, 409, 413),
    )
    async def put(
        caller: Caller,
        session_id: ResourceId,
        name: Annotated[str, Query(max_length=512)],
        request: Request,
        response: Response,
    ) -> ArtifactView:
        """Store the body as the newest version of a file (201), or find that it is so already (200)."""
        session = await get_own_session(documents, caller.uid, SessionId(session_id))
        new = NewArtifact(
            session_id=session.id,
            owner_uid=session.owner_uid,
            name=name,
            content=await request.body(),
            created_by=caller.uid,
            mime_type=named_media_type(request),
        )
        stored = await put_artifact(documents, clock, new)
        response.status_code = 201 if stored.created else 200
        response.headers["ETag"] = etag_of(stored.head.head)
        return render_artifact(stored.head)

    @router.get(
        "/sessions/{session_id}/artifacts", response_model=ArtifactPage, responses=problem_responses(400, 401, 404)
    )
    async def read(
        caller: Caller, session_id: ResourceId, query: Annotated[ArtifactQuery, Query()], request: Request
    ) -> Any:
        """Read a file's bytes, with `name`; or list the session's files, without."""
        session = await get_session(documents, caller.uid, SessionId(session_id))
        if query.name is None:
            return await _list(documents, session.id, query)
        found = await get_artifact(documents, session.id, query.name, query.version)
        return download(found, request.headers.get("if-none-match"))

    return router


def download(found: ArtifactContent, if_none_match: str | None) -> Response:
    """A file's bytes, with headers that keep a browser from running what somebody uploaded."""
    artifact = found.artifact
    etag = etag_of(artifact.version)
    if is_known(etag, if_none_match):
        return Response(status_code=304, headers={"ETag": etag})
    shown = "inline" if artifact.mime_type in _SHOWN_INLINE else "attachment"
    file_name = quote(artifact.name.rpartition("/")[2])
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"{shown}; filename*=UTF-8''{file_name}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(found.content, headers=headers, media_type=artifact.mime_type)


async def _list(documents: Documents, session_id: SessionId, query: ArtifactQuery) -> ArtifactPage:
    question = f"artifacts {session_id} {query.prefix}"
    after = read_token(question, query.page_token, str)[0] if query.page_token else None
    page = await list_artifacts(documents, session_id, limit=query.limit, after=after, prefix=query.prefix)
    token = None if page.after is None else write_token(question, (page.after,))
    return ArtifactPage(items=[render_artifact(head) for head in page.items], next_page_token=token)
