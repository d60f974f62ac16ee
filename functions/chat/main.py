"""The `chat` function: answers a message in the request that brings it, and streams sessions."""

import os
from collections.abc import Mapping
from functools import partial
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.chat.routes import message_routes
from shared.composition.core import connect_people
from shared.composition.engine import connect_engine
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.edge.shutdown import on_terminate
from shared.settings import load_settings
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.give_way import give_way

GRACE_SECONDS = 5.0


def compose(engine: Engine, environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Google Cloud, or to the emulators that `environ` names."""
    settings = load_settings(environ)
    app = create_app(
        "chat",
        verifier=connect_people(settings, engine.core.documents),
        cors_origin_regex=settings.cors_origin_regex,
        max_body_bytes=settings.max_body_bytes,
    )
    app.include_router(message_routes(engine))
    return app


def connect(environ: Mapping[str, str]) -> Engine:
    """The engine."""
    settings = load_settings(environ)
    write_logs(settings.project)
    return connect_engine(settings, environ)


engine = connect(os.environ)
app = compose(engine, os.environ)
leave = partial(give_way, engine, GRACE_SECONDS)


@functions_framework.aio.http
async def chat(_request: Request) -> Response:
    """Answer with the application."""
    on_terminate(leave)
    return cast("Response", app)  # a response is called as an ASGI application is
