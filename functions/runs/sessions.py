"""The HTTP face of sessions: parse, call a use case, render."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from functions.runs.requests import ForkBody, HistoryQuery, SessionBody, SessionQuery
from functions.runs.views import (
    EventPage,
    RunView,
    SessionPage,
    SessionView,
    render_history,
    render_run,
    render_session,
    render_sessions,
)
from shared.domain.ids import AgentId, SessionId
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.logs import current_request
from shared.edge.path_ids import ResourceId
from shared.edge.request_headers import IdempotencyKey
from shared.usecases.nodes.engine import Core
from shared.usecases.sessions.delete_session import delete_session
from shared.usecases.sessions.fork_session import ForkRequest, fork_session
from shared.usecases.sessions.get_session import get_session
from shared.usecases.sessions.list_sessions import SessionSearch, list_sessions
from shared.usecases.sessions.open_session import NewSession, open_session
from shared.usecases.sessions.read_history import read_history
from shared.usecases.sessions.regenerate_answer import RegenerateRequest, regenerate_answer


def session_routes(core: Core) -> APIRouter:
    """The routes of sessions and their history."""
    router = APIRouter(tags=["sessions"], route_class=JsonRoute)

    @router.post("/sessions", status_code=201, responses=problem_responses(400, 401, 404))
    async def open_(caller: Caller, body: SessionBody, response: Response) -> SessionView:
        """Open a session with an agent; its runs are pinned to one version."""
        new = NewSession(
            agent_id=AgentId(body.agent_id),
            version=body.version,
            external_session_id=body.external_session_id,
            title=body.title,
            state=body.state,
            configuration=body.configuration,
        )
        session = await open_session(core.documents, core.clock, core.ids, caller, new)
        response.headers["Location"] = f"/sessions/{session.id}"
        return render_session(session)

    @router.get("/sessions", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[SessionQuery, Query()]) -> SessionPage:
        """List your sessions, those with the latest activity first."""
        agent_id = AgentId(query.agent_id) if query.agent_id else None
        search = SessionSearch(agent_id, query.limit, query.page_token, query.shared)
        return render_sessions(await list_sessions(core.documents, caller.uid, search))

    @router.get("/sessions/{session_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, session_id: ResourceId) -> SessionView:
        """Read a session."""
        return render_session(await get_session(core.documents, caller.uid, SessionId(session_id)))

    @router.delete("/sessions/{session_id}", status_code=204, responses=problem_responses(401, 403, 404, 409))
    async def delete(caller: Caller, session_id: ResourceId) -> None:
        """Delete a session with its history and files; its runs are cancelled."""
        await delete_session(core, caller.uid, SessionId(session_id))

    @router.get("/sessions/{session_id}/history", responses=problem_responses(400, 401, 404))
    async def history(caller: Caller, session_id: ResourceId, query: Annotated[HistoryQuery, Query()]) -> EventPage:
        """Read what happened in a session, in its order or the newest first."""
        page = await read_history(
            core.documents,
            caller.uid,
            SessionId(session_id),
            limit=query.limit,
            page_token=query.page_token,
            newest_first=query.newest_first,
        )
        return render_history(page)

    _add_copying(router, core)
    return router


def _add_copying(router: APIRouter, core: Core) -> None:
    """The routes by which something that was said is said again, or elsewhere."""

    @router.post(
        "/sessions/{session_id}/regenerate",
        status_code=202,
        responses=problem_responses(400, 401, 403, 404, 409, 429, 503),
    )
    async def regenerate(
        caller: Caller, session_id: ResourceId, response: Response, idempotency_key: IdempotencyKey = None
    ) -> RunView:
        """Answer the last message again; once that has succeeded, the conversation goes on from the new answer."""
        trace = current_request().trace_id
        asked = RegenerateRequest(caller.uid, SessionId(session_id), idempotency_key, trace)
        started = await regenerate_answer(core, asked)
        response.headers["Location"] = f"/runs/{started.run.id}"
        return render_run(started.run)

    @router.post(
        "/sessions/{session_id}/fork",
        status_code=201,
        responses=problem_responses(400, 401, 403, 404, 409, 413, 503),
    )
    async def fork(
        caller: Caller,
        session_id: ResourceId,
        response: Response,
        body: ForkBody | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SessionView:
        """Copy a session as it was at one of its events: log, state and files; the first goes on untouched."""
        at_seq = None if body is None else body.at_seq
        copy = await fork_session(core, ForkRequest(caller.uid, SessionId(session_id), at_seq, idempotency_key))
        response.headers["Location"] = f"/sessions/{copy.id}"
        return render_session(copy)
