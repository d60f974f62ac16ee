"""What definitions are made of, and whether one is right: routes that store nothing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from functions.agents.requests import DEFINITION_BODY, read_written
from functions.agents.views import ToolList, ToolView, Validation, render_validation
from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_schema import definition_schema
from shared.domain.definition_warnings import warnings_of
from shared.domain.errors import InvalidArgument, UnsupportedMediaType
from shared.domain.tool_specs import BUILT_IN
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.usecases.agents.check_graph import check_graph
from shared.usecases.agents.shelf import Shelf


def catalog_routes(shelf: Shelf) -> APIRouter:
    """The routes; they go before those of single agents, whose paths have an id in this place."""
    router = APIRouter()

    @router.post(
        "/agents/validate", tags=["agents"], openapi_extra=DEFINITION_BODY, responses=problem_responses(401, 415, 503)
    )
    async def validate(caller: Caller, request: Request) -> Validation:
        """Say everything that is wrong with a definition, and store nothing."""
        try:
            written = await read_written(request)
        except UnsupportedMediaType:
            raise
        except InvalidArgument as error:
            return render_validation(error.faults)
        definition, faults = inspect_definition(written.raw)
        bounds = None
        if definition is not None:
            faults = (*faults, *shelf.models.faults(definition))
            try:
                bounds = (await check_graph(shelf, caller, definition)).bounds
            except InvalidArgument as error:
                faults = (*faults, *error.faults)
        warnings = written.placed(warnings_of(written.raw, bounds))
        return render_validation(written.placed(faults), warnings, None if faults else bounds)

    @router.get("/agents/schema", tags=["agents"])
    async def schema() -> dict[str, Any]:
        """The JSON Schema of definitions, for editors; needs no token."""
        return definition_schema()

    @router.get("/tools", tags=["tools"], responses=problem_responses(401))
    async def find(_caller: Caller) -> ToolList:
        """List the tools that a definition may name, with the schemas of their arguments and configuration.

        Each can wait for a person's yes, in agents and in graphs, by `requires_approval` in the definition.
        """
        return ToolList(items=[ToolView.model_validate(spec) for spec in BUILT_IN.values()])

    return router
