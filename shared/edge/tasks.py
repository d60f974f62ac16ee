"""The edge where Cloud Tasks and Cloud Scheduler deliver: whose token, and what the answer does.

The queue repeats whatever is not answered with 2xx. A 409 repeats one task; 429 and 503 would slow
the whole queue down, so only a service that is down is answered so.

Source: https://cloud.google.com/tasks/docs/creating-http-target-tasks
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import JSONResponse, Response

from shared.domain.errors import Category, DomainError, Unauthenticated
from shared.edge.errors import render_domain_error, render_problem
from shared.edge.logs import logger
from shared.ports.task_identity import TaskTokenVerifier
from shared.usecases.acknowledgement import Acknowledgement

_bearer = HTTPBearer(auto_error=False, scheme_name="oidc", bearerFormat="JWT", description="The queue's OIDC token.")


async def delivered_by(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """The email of the service account that delivers.

    Raises:
        Unauthenticated: the token is missing or is not the queue's.
    """
    if credentials is None or not credentials.credentials:
        raise Unauthenticated("Only the task queue and the scheduler call here.")
    verifier: TaskTokenVerifier | None = request.app.state.task_verifier
    if verifier is None:
        raise RuntimeError(f"{request.app.title} was made without a task token verifier")
    return await verifier.verify(credentials.credentials)


Deliverer = Annotated[str, Depends(delivered_by)]
"""As a route's parameter: the verified service account that delivers a task."""


async def acknowledge(work: Awaitable[Acknowledgement]) -> Response:
    """Do a task's work and tell the queue: 200 finished with, 409 later again, 503 service down.

    A terminal refusal is answered with 200, because delivering the same task again changes nothing.
    """
    try:
        busy = await work is Acknowledgement.BUSY
    except DomainError as error:
        if error.retryable:
            return render_domain_error(error) if _is_down(error) else _repeat(error.message)
        logger.error("task dropped: %s: %s", error.code, error.message, exc_info=error)
        return JSONResponse({"status": "dropped", "code": error.code})
    if busy:
        return _repeat("Another worker holds the lease.")
    return JSONResponse({"status": "done"})


def _is_down(error: DomainError) -> bool:
    return error.category in {Category.UNAVAILABLE, Category.DEADLINE_EXCEEDED}


def _repeat(reason: str) -> Response:
    return render_problem(409, "busy", reason)
