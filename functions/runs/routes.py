"""The HTTP face of runs: parse, call a use case, render."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from functions.runs.requests import ExecutionBody, RunBody, RunQuery
from functions.runs.views import NodePage, RunPage, RunView, render_nodes, render_run, render_runs
from shared.domain.ids import AgentId, RunId, SessionId, Uid
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.logs import current_request
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.request_headers import IdempotencyKey
from shared.ports.documents import Documents
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.get_run import RunSearch, get_run, list_nodes, list_runs
from shared.usecases.runs.start_run import RunRequest, start_run


def run_routes(core: Core) -> APIRouter:
    """The routes that start and cancel runs."""
    router = APIRouter(tags=["runs"], route_class=JsonRoute)

    @router.post("/runs", status_code=202, responses=problem_responses(400, 401, 404, 409, 429, 503))
    async def start(
        caller: Caller, body: RunBody, response: Response, idempotency_key: IdempotencyKey = None
    ) -> RunView:
        """Start a run; it goes on in the background."""
        return await start_and_show(core, response, run_request(caller.uid, body.agent_id, body, idempotency_key))

    @router.post(
        "/agents/{agent_id}/execute", status_code=202, responses=problem_responses(400, 401, 403, 404, 409, 429, 503)
    )
    async def execute(
        caller: Caller,
        agent_id: ResourceId,
        body: ExecutionBody,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Start a run of an agent, as `POST /runs` does."""
        return await start_and_show(core, response, run_request(caller.uid, agent_id, body, idempotency_key))

    @router.post("/runs/{run_id}/cancel", status_code=202, responses=problem_responses(401, 404, 409))
    async def cancel(caller: Caller, run_id: ResourceId) -> RunView:
        """Ask a run to stop; it makes no further model call, and keeps what it has produced."""
        return render_run(await cancel_run(core, caller.uid, RunId(run_id)))

    return router


def run_request(caller: Uid, agent_id: str | None, body: ExecutionBody, idempotency_key: str | None) -> RunRequest:
    """What a body asks to run."""
    return RunRequest(
        caller=caller,
        input=body.input,
        agent_id=AgentId(agent_id) if agent_id else None,
        version=body.version,
        session_id=SessionId(body.session_id) if body.session_id else None,
        if_busy=body.if_busy,
        idempotency_key=idempotency_key,
        trace_id=current_request().trace_id,
        budget=body.budget.of_run,
    )


async def start_and_show(core: Core, response: Response, request: RunRequest) -> RunView:
    """Start a run, and show it as it begins."""
    started = await start_run(core, request)
    response.headers["Location"] = f"/runs/{started.run.id}"
    return render_run(started.run)


def run_reading_routes(documents: Documents) -> APIRouter:
    """The routes that show runs and their nodes."""
    router = APIRouter(tags=["runs"], route_class=JsonRoute)

    @router.get("/runs", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[RunQuery, Query()]) -> RunPage:
        """List your runs, the newest first."""
        search = RunSearch(
            session_id=SessionId(query.session_id) if query.session_id else None,
            agent_id=AgentId(query.agent_id) if query.agent_id else None,
            state=query.state,
            limit=query.limit,
            page_token=query.page_token,
        )
        return render_runs(await list_runs(documents, caller.uid, search))

    @router.get("/runs/{run_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, run_id: ResourceId) -> RunView:
        """Read a run: its state, and its output once it has one."""
        return render_run(await get_run(documents, caller.uid, RunId(run_id)))

    @router.get("/runs/{run_id}/nodes", responses=problem_responses(400, 401, 404))
    async def nodes(caller: Caller, run_id: ResourceId, query: Annotated[PageQuery, Query()]) -> NodePage:
        """List the nodes of a run that were begun; what is still to come is not among them."""
        run = await get_run(documents, caller.uid, RunId(run_id))
        return render_nodes(await list_nodes(documents, run, query.limit, query.page_token))

    return router
