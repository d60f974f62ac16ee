"""The factory of every function's application: health, errors, limits, CORS, documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from shared.domain.errors import DomainError
from shared.edge.errors import (
    PROBLEM_MEDIA_TYPE,
    answer_domain_error,
    answer_http_error,
    answer_invalid_request,
)
from shared.edge.middleware import BodyLimit, BodySizeLimit, CrashNet, RequestIdentity
from shared.ports.identity import TokenVerifier
from shared.ports.task_identity import TaskTokenVerifier

MAX_BODY_BYTES = 1 << 20
_ASKED_HEADERS = (
    "Authorization",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-Id",
    "traceparent",
)
_SHOWN_HEADERS = ("ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id")


class FaultShape(BaseModel):
    """One thing that is wrong with the request."""

    path: str = Field(description="Where, with dots: `graph.nodes.review.prompt`.")
    reason: str
    suggestion: str | None = None
    line: int | None = Field(default=None, description="In a body of YAML or JSON, from 1.")
    column: int | None = None


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; what programs branch on.")
    instance: str
    request_id: str
    faults: list[FaultShape]


class Health(BaseModel):
    """That the function serves."""

    status: str
    function: str


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document error answers, for a route's `responses`; `default` stands for the others."""
    shape = {"content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    named: dict[int | str, dict[str, Any]] = {status: {"description": "Problem", **shape} for status in statuses}
    return {**named, "default": {"description": "Problem", "model": Problem, **shape}}


def create_app(  # noqa: PLR0913 - all but the name by keyword, each with a default
    name: str,
    *,
    verifier: TokenVerifier | None = None,
    task_verifier: TaskTokenVerifier | None = None,
    cors_origin_regex: str | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    body_limits: Sequence[BodyLimit] = (),
) -> FastAPI:
    """Make the application of the function `name`.

    Args:
        name: the deployable's name, as in its folder.
        verifier: proves who calls; needed where a route asks for `shared.edge.auth.Caller`.
        task_verifier: proves that the queue calls; needed where a route asks for
            `shared.edge.tasks.Deliverer`.
        cors_origin_regex: origins that may call, each matched as a whole; None admits none.
        max_body_bytes: the largest request body, unless one of `body_limits` fits the request.
        body_limits: exceptions for single routes.
    """
    app = FastAPI(
        title=f"Fireloom {name}",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead past whatever stands in front, to an address of the function's own
        generate_unique_id_function=_operation_id,
        responses=problem_responses(),
        exception_handlers={
            DomainError: answer_domain_error,
            HTTPException: answer_http_error,
            RequestValidationError: answer_invalid_request,
        },
        middleware=[
            Middleware(RequestIdentity, function=name),
            *_cors(cors_origin_regex),
            Middleware(BodySizeLimit, default_bytes=max_body_bytes, exceptions=body_limits),
            Middleware(CrashNet),
        ],
    )
    app.state.verifier = verifier
    app.state.task_verifier = task_verifier

    @app.get("/health", tags=["health"], operation_id=f"{name}_health")
    async def health() -> Health:
        """Say that the function serves; needs no token."""
        return Health(status="ok", function=name)

    return app


def _operation_id(route: APIRoute) -> str:
    """A name for generated clients: what a route is about, and what it does."""
    about = f"{route.tags[0]}_" if route.tags else ""
    return f"{about}{route.name}".rstrip("_")


def _cors(origin_regex: str | None) -> list[Middleware]:
    """Outside of everything that answers errors, so that browsers may read those too."""
    if origin_regex is None:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origin_regex=origin_regex,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=_ASKED_HEADERS,
            expose_headers=_SHOWN_HEADERS,
            max_age=3600,
        )
    ]
