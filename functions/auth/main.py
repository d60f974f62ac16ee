"""The `auth` function: people, their tokens, and the hooks that Identity Platform calls."""

import os
from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.auth.hooks import hook_routes, hook_tokens
from functions.auth.quotas import quota_routes
from functions.auth.routes import People, administration_routes, credential_routes, profile_routes
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.identity_platform.accounts import IdentityPlatformAccounts
from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.id_tokens import IdTokenVerifier
from shared.adapters.identity_platform.rest import RestClient
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.settings import load_settings


def compose(environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Firestore and Identity Platform, or to their emulators where `environ` names them."""
    settings = load_settings(environ)
    write_logs(settings.project)
    documents = FirestoreDocuments(settings.project)
    admin = AdminSdk(settings.project)
    accounts = IdentityPlatformAccounts(RestClient(settings.api_key, settings.auth_emulator_host), admin)
    people = People(documents, accounts, accounts, SystemIds())
    app = create_app(
        "auth",
        verifier=IdTokenVerifier(admin, documents, SystemClock()),
        cors_origin_regex=settings.cors_origin_regex,
        max_body_bytes=settings.max_body_bytes,
    )
    for routes in (credential_routes, profile_routes, administration_routes):
        app.include_router(routes(people))
    app.include_router(quota_routes(documents, SystemClock(), settings.quota))
    app.include_router(hook_routes(documents, accounts, hook_tokens(settings), settings.admin_emails))
    return app


app = compose(os.environ)


@functions_framework.aio.http
async def auth(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
