"""The `runs` function: runs, sessions, their history and files, approvals, schedules. Light: it executes nothing."""

import os
from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.runs.approvals import approval_routes
from functions.runs.artifacts import ARTIFACT_BODIES, artifact_routes
from functions.runs.control import control_routes
from functions.runs.dead_letters import dead_letter_routes
from functions.runs.readers import reader_routes
from functions.runs.routes import run_reading_routes, run_routes
from functions.runs.schedules import schedule_control_routes, schedule_routes
from functions.runs.sessions import session_routes
from functions.runs.webhooks import delivery_log_routes, webhook_routes
from functions.runs.workflows import workflow_routes
from shared.adapters.cel.conditions import CelConditions
from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.directory import IdentityPlatformDirectory
from shared.composition.core import connect_core, connect_people
from shared.composition.hooks import connect_desk
from shared.composition.schedules import connect_planner
from shared.domain.allowed_models import AllowedModels
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.settings import load_settings
from shared.usecases.dead_letters.settle_dead_letter import Undertaker
from shared.usecases.grants.sharing import Sharing


def compose(environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Google Cloud, or to the emulators that `environ` names."""
    settings = load_settings(environ)
    write_logs(settings.project)
    core = connect_core(settings)
    app = create_app(
        "runs",
        verifier=connect_people(settings, core.documents),
        cors_origin_regex=settings.cors_origin_regex,
        max_body_bytes=settings.max_body_bytes,
        body_limits=(ARTIFACT_BODIES,),
    )
    planner = connect_planner(core)
    desk = connect_desk(settings, core.documents)
    sharing = Sharing(core.documents, core.clock, IdentityPlatformDirectory(AdminSdk(settings.project)))
    for routes in (
        run_routes(core),
        workflow_routes(core, AllowedModels(settings.models, settings.default_model), CelConditions()),
        control_routes(core),
        run_reading_routes(core.documents),
        session_routes(core),
        reader_routes(sharing),
        artifact_routes(core.documents, core.clock),
        approval_routes(core),
        schedule_routes(planner),
        schedule_control_routes(planner),
        webhook_routes(desk),
        delivery_log_routes(desk),
        dead_letter_routes(Undertaker(core, desk)),
    ):
        app.include_router(routes)
    return app


app = compose(os.environ)


@functions_framework.aio.http
async def runs(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
