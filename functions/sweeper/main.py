"""The `sweeper` function: hands on what a dead process left behind and fires schedules, when the scheduler calls."""

import os
from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.sweeper.routes import sweep_routes
from shared.composition.core import connect_callers, connect_core, connect_deliveries, connect_queue
from shared.composition.schedules import connect_planner
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.settings import load_settings


def compose(environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Google Cloud, or to the emulators that `environ` names."""
    settings = load_settings(environ)
    write_logs(settings.project)
    app = create_app("sweeper", task_verifier=connect_callers(settings), max_body_bytes=settings.max_body_bytes)
    planner = connect_planner(connect_core(settings))
    queues = connect_queue(settings), connect_deliveries(settings)
    app.include_router(sweep_routes(planner, *queues, settings.lease_seconds))
    return app


app = compose(os.environ)


@functions_framework.aio.http
async def sweeper(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
