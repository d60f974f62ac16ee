"""The `worker` function: executes one node of one run, or ingests one document, for each task that is delivered."""

import os
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.worker.routes import ingest_routes, task_routes
from shared.composition.core import connect_callers
from shared.composition.engine import Process, connect_process
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.edge.shutdown import on_terminate
from shared.settings import load_settings


def compose(process: Process) -> FastAPI:
    """The application of a process."""
    settings = process.settings
    app = create_app("worker", task_verifier=connect_callers(settings), max_body_bytes=settings.max_body_bytes)
    app.include_router(task_routes(process.engine))
    app.include_router(ingest_routes(process.indexer))
    return app


settings = load_settings(os.environ)
write_logs(settings.project)
process = connect_process(settings, os.environ)
app = compose(process)


@functions_framework.aio.http
async def worker(_request: Request) -> Response:
    """Answer with the application."""
    on_terminate(process.leave)
    return cast("Response", app)  # a response is called as an ASGI application is
