"""The HTTP face of workflows: runs of a definition that comes with the request, or of an agent of a certain type."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Response

from functions.runs.requests import WorkflowBody
from functions.runs.routes import run_request, start_and_show
from functions.runs.views import RunView
from shared.domain.allowed_models import AllowedModels
from shared.domain.definition_faults import inspect_definition
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import Uid
from shared.domain.runs import Shape
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.request_headers import IdempotencyKey
from shared.ports.conditions import Conditions
from shared.usecases.agents.check_graph import condition_faults
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.start_run import RunRequest

_ANSWERS = problem_responses(400, 401, 403, 404, 409, 429, 503)


def workflow_routes(core: Core, models: AllowedModels, conditions: Conditions) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["workflows"], route_class=JsonRoute)

    async def asked(caller: Uid, shape: Shape, body: WorkflowBody, key: str | None) -> RunRequest:
        definition = None if body.definition is None else await _checked(body, shape, models, conditions)
        return replace(run_request(caller, body.agent_id, body, key), definition=definition, shape=shape)

    async def start(response: Response, request: RunRequest) -> RunView:
        try:
            return await start_and_show(core, response, request)
        except InvalidArgument as error:
            if request.definition is None or not error.faults:
                raise
            raise InvalidArgument(error.message, tuple(_placed(fault) for fault in error.faults)) from None

    @router.post("/workflows/single", status_code=202, responses=_ANSWERS)
    async def single(
        caller: Caller, body: WorkflowBody, response: Response, idempotency_key: IdempotencyKey = None
    ) -> RunView:
        """Run one agent: one that you may run, or one that you define here."""
        return await start(response, await asked(caller.uid, "single", body, idempotency_key))

    @router.post("/workflows/delegation", status_code=202, responses=_ANSWERS)
    async def delegation(
        caller: Caller, body: WorkflowBody, response: Response, idempotency_key: IdempotencyKey = None
    ) -> RunView:
        """Run an agent that asks others."""
        return await start(response, await asked(caller.uid, "delegation", body, idempotency_key))

    @router.post("/workflows/graph", status_code=202, responses=_ANSWERS)
    async def graph(
        caller: Caller, body: WorkflowBody, response: Response, idempotency_key: IdempotencyKey = None
    ) -> RunView:
        """Run a graph."""
        return await start(response, await asked(caller.uid, "graph", body, idempotency_key))

    return router


async def _checked(body: WorkflowBody, shape: Shape, models: AllowedModels, conditions: Conditions) -> AgentDefinition:
    """The definition in the body.

    Raises:
        InvalidArgument: with everything that is wrong with it, or beside it.
    """
    definition, faults = inspect_definition({"type": shape, **(body.definition or {})})
    if definition is not None:
        faults = (*faults, *models.faults(definition), *await condition_faults(conditions, definition))
    found = [_below(fault) for fault in faults]
    beside = [key for key in ("agent_id", "version") if getattr(body, key) is not None]
    found += [Fault(f"body.{key}", "does not go with a definition") for key in beside]
    if definition is not None and definition.parameters is not None:
        found.append(Fault("body.definition.parameters", "make a template: make an agent of it, and run that"))
    if definition is not None and definition.type != shape:
        found.append(Fault("body.definition.type", f"is run by POST /workflows/{definition.type}", shape))
    if found or definition is None:
        raise InvalidArgument("The definition cannot be run.", tuple(found))
    return definition


def _placed(fault: Fault) -> Fault:
    """What is seen when the definition is planned is in it; what is wrong with the input is not."""
    return _below(fault) if fault.path.startswith("graph.") else fault


def _below(fault: Fault) -> Fault:
    return replace(fault, path=f"body.definition.{fault.path}".rstrip("."))
