"""The HTTP face of what is done to a run that exists: pause, resume, and doing it again."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Response

from functions.runs.requests import RepeatBody, ReplayBody
from functions.runs.views import RunView, render_run
from shared.domain.ids import NodeId, RunId, Uid
from shared.domain.runs import RepeatKind
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.logs import current_request
from shared.edge.path_ids import ResourceId
from shared.edge.request_headers import IdempotencyKey
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.pause_run import pause_run, resume_run
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run


def control_routes(core: Core) -> APIRouter:
    """The routes that pause, resume and repeat runs."""
    router = APIRouter(tags=["runs"], route_class=JsonRoute)

    @router.post("/runs/{run_id}/pause", status_code=202, responses=problem_responses(400, 401, 403, 404, 409))
    async def pause(caller: Caller, run_id: ResourceId) -> RunView:
        """Pause a run: no node starts and no model is asked until it is resumed; responses in flight are kept."""
        return render_run(await pause_run(core, caller.uid, RunId(run_id)))

    @router.post("/runs/{run_id}/resume", status_code=202, responses=problem_responses(400, 401, 403, 404, 409, 503))
    async def resume(caller: Caller, run_id: ResourceId) -> RunView:
        """Let a paused run go on from where it stood."""
        return render_run(await resume_run(core, caller.uid, RunId(run_id)))

    repeated = problem_responses(400, 401, 403, 404, 409, 429, 503)

    async def repeat(response: Response, request: RepeatRequest) -> RunView:
        started = await repeat_run(core, request)
        response.headers["Location"] = f"/runs/{started.run.id}"
        return render_run(started.run)

    @router.post("/runs/{run_id}/retry", status_code=202, responses=repeated)
    async def retry(
        caller: Caller,
        run_id: ResourceId,
        response: Response,
        body: RepeatBody | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Start a run that does again what failed or was cancelled in this one, and takes over the rest."""
        asked = _repeat(caller.uid, run_id, "retry", body or RepeatBody(), idempotency_key)
        return await repeat(response, asked)

    @router.post("/runs/{run_id}/replay", status_code=202, responses=repeated)
    async def replay(
        caller: Caller,
        run_id: ResourceId,
        body: ReplayBody,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> RunView:
        """Start a run that does a node of this one again with all that comes after it, and takes over the rest."""
        asked = _repeat(caller.uid, run_id, "replay", body, idempotency_key)
        return await repeat(response, replace(asked, node=NodeId(body.from_), input=body.input))

    return router


def _repeat(caller: Uid, run_id: str, kind: RepeatKind, body: RepeatBody, key: str | None) -> RepeatRequest:
    return RepeatRequest(
        caller=caller,
        run_id=RunId(run_id),
        kind=kind,
        if_busy=body.if_busy,
        idempotency_key=key,
        trace_id=current_request().trace_id,
    )
