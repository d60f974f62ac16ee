"""The `worker` function: executes one node of one run, or ingests one document, for each task that is delivered."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.worker.routes import ingest_routes, task_routes
from shared.composition.core import connect_callers
from shared.composition.engine import connect_engine, connect_indexer, stop_engine
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.edge.shutdown import on_terminate
from shared.settings import load_settings
from shared.usecases.nodes.engine import Engine


def compose(engine: Engine, environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Google Cloud, or to the emulators that `environ` names."""
    settings = load_settings(environ)
    app = create_app("worker", task_verifier=connect_callers(settings), max_body_bytes=settings.max_body_bytes)
    app.include_router(task_routes(engine))
    app.include_router(ingest_routes(connect_indexer(settings, environ, engine.core.documents)))
    return app


def connect(environ: Mapping[str, str], closing: AsyncExitStack) -> Engine:
    """The engine, and what closes its connections."""
    settings = load_settings(environ)
    write_logs(settings.project)
    return connect_engine(settings, environ, closing=closing)


closing = AsyncExitStack()
engine = connect(os.environ, closing)
app = compose(engine, os.environ)
leave = partial(stop_engine, engine, closing)


@functions_framework.aio.http
async def worker(_request: Request) -> Response:
    """Answer with the application."""
    on_terminate(leave)
    return cast("Response", app)  # a response is called as an ASGI application is
