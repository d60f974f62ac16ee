"""The `agents` function: definitions, their versions and checks, and the tools that they may name."""

import os
from collections.abc import Mapping
from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from functions.agents.catalog import catalog_routes
from functions.agents.files import ARCHIVE_BODIES, file_routes
from functions.agents.grants import grant_routes, sharing_routes
from functions.agents.history import history_routes
from functions.agents.knowledge import DOCUMENT_BODIES, document_reading_routes, document_routes, knowledge_routes
from functions.agents.knowledge_readers import knowledge_reader_routes
from functions.agents.models import model_routes
from functions.agents.routes import making_routes, reading_routes, writing_routes
from functions.agents.secrets import secret_routes
from functions.agents.templates import template_routes
from functions.agents.versions import alias_routes, version_routes
from shared.adapters.cel.conditions import CelConditions
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.directory import IdentityPlatformDirectory
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.composition.core import connect_people
from shared.composition.knowledge import connect_library
from shared.composition.secrets import connect_vault
from shared.domain.allowed_models import AllowedModels
from shared.edge.app import create_app
from shared.edge.logs import write_logs
from shared.settings import load_settings
from shared.usecases.agents.shelf import Shelf
from shared.usecases.grants.sharing import Sharing


def compose(environ: Mapping[str, str]) -> FastAPI:
    """Connect the application to Firestore and Identity Platform, or to their emulators where `environ` names them."""
    settings = load_settings(environ)
    write_logs(settings.project)
    documents = FirestoreDocuments(settings.project)
    app = create_app(
        "agents",
        verifier=connect_people(settings, documents),
        cors_origin_regex=settings.cors_origin_regex,
        max_body_bytes=settings.max_body_bytes,
        body_limits=(ARCHIVE_BODIES, DOCUMENT_BODIES),
    )
    models = AllowedModels(settings.models, settings.default_model)
    directory = IdentityPlatformDirectory(AdminSdk(settings.project))
    shelf = Shelf(documents, SystemClock(), SystemIds(), models, directory, CelConditions(), settings.most_node_runs)
    sharing = Sharing(documents, SystemClock(), directory)
    app.include_router(sharing_routes(sharing))
    app.include_router(model_routes(models, settings.providers))
    app.include_router(catalog_routes(shelf))  # first: their paths have a word where others have an id
    for routes in (making_routes, writing_routes, reading_routes, version_routes, alias_routes, template_routes):
        app.include_router(routes(shelf))
    app.include_router(grant_routes(sharing))
    app.include_router(history_routes(documents))
    library = connect_library(settings, documents)
    app.include_router(file_routes(shelf, library))
    app.include_router(knowledge_routes(library))
    app.include_router(knowledge_reader_routes(sharing))
    app.include_router(document_routes(library))
    app.include_router(document_reading_routes(library))
    app.include_router(secret_routes(connect_vault(settings, documents)))
    return app


app = compose(os.environ)


@functions_framework.aio.http
async def agents(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
