"""The `events` function: hears what has happened, and tells the webhooks that want to know."""

import os
from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.events.routes import delivery_routes, fact_routes
from shared.composition.core import connect_callers, connect_documents
from shared.composition.hooks import connect_desk
from shared.composition.web import connect_web
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.edge.pushes import admit_tokens_in_addresses
from shared.settings import load_settings
from shared.usecases.webhooks.desk import Courier


def compose(environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Google Cloud, or to the emulators that `environ` names."""
    settings = load_settings(environ)
    write_logs(settings.project)
    app = create_app("events", task_verifier=connect_callers(settings), max_body_bytes=settings.max_body_bytes)
    if settings.local_oidc_key is not None:
        admit_tokens_in_addresses(app)
    desk = connect_desk(settings, connect_documents(settings))
    app.include_router(fact_routes(desk))
    app.include_router(delivery_routes(Courier(desk, connect_web(settings))))
    return app


app = compose(os.environ)


@functions_framework.aio.http
async def events(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
