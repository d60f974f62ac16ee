"""The `worker` function: executes one node of one run, or ingests one document, for each task that is delivered."""

import os
from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.worker.routes import ingest_routes, task_routes
from shared.composition.core import connect_callers, connect_documents
from shared.composition.engine import connect_engine, connect_indexer
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.settings import load_settings


def compose(environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Google Cloud, or to the emulators that `environ` names."""
    settings = load_settings(environ)
    write_logs(settings.project)
    app = create_app("worker", task_verifier=connect_callers(settings), max_body_bytes=settings.max_body_bytes)
    documents = connect_documents(settings)
    app.include_router(task_routes(connect_engine(settings, environ, documents)))
    app.include_router(ingest_routes(connect_indexer(settings, environ, documents)))
    return app


app = compose(os.environ)


@functions_framework.aio.http
async def worker(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
