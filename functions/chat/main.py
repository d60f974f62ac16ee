"""The `chat` function: answers a message in the request that brings it, and streams sessions."""

import os
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.chat.routes import message_routes
from shared.composition.core import connect_people
from shared.composition.engine import Process, connect_process
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.edge.shutdown import on_terminate
from shared.settings import load_settings


def compose(process: Process) -> FastAPI:
    """The application of a process."""
    settings = process.settings
    app = create_app(
        "chat",
        verifier=connect_people(settings, process.engine.core.documents),
        cors_origin_regex=settings.cors_origin_regex,
        max_body_bytes=settings.max_body_bytes,
    )
    app.include_router(message_routes(process.engine))
    return app


settings = load_settings(os.environ)
write_logs(settings.project)
process = connect_process(settings, os.environ)
app = compose(process)


@functions_framework.aio.http
async def chat(_request: Request) -> Response:
    """Answer with the application."""
    on_terminate(process.leave)
    return cast("Response", app)  # a response is called as an ASGI application is
