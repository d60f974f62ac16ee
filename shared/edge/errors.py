"""The one shape of every error answer: RFC 9457 problem details with a stable `code`.

Source: https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.domain.errors import Category, DomainError, Fault, InvalidArgument, VersionMismatch
from shared.domain.suggestions import plain
from shared.edge.logs import current_request, logger

PROBLEM_MEDIA_TYPE = "application/problem+json"

STATUS_OF_CATEGORY: Mapping[Category, int] = {
    Category.INVALID_ARGUMENT: 400,
    Category.FAILED_PRECONDITION: 400,
    Category.UNAUTHENTICATED: 401,
    Category.PERMISSION_DENIED: 403,
    Category.NOT_FOUND: 404,
    Category.ALREADY_EXISTS: 409,
    Category.ABORTED: 409,
    Category.RESOURCE_EXHAUSTED: 429,
    Category.DEADLINE_EXCEEDED: 504,
    Category.UNAVAILABLE: 503,
    Category.INTERNAL: 500,
}
STATUS_OF_CODE: Mapping[str, int] = {
    "version_mismatch": 412,  # If-Match named a version that is no longer the latest
    "precondition_required": 428,
    "too_large": 413,
    "session_too_large": 413,
    "unsupported_media_type": 415,
}
"""Codes whose HTTP status says more than that of their category."""

_CODE_OF_STATUS: Mapping[int, str] = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_HIDDEN = "Something went wrong on our side; the request id names it in the logs."
_RETRY_SECONDS = 1.0
_NO_BODY = "the body is missing: send a JSON object"
_NO_MAP = "the body must be a JSON object"


def status_of(error: DomainError) -> int:
    """The HTTP status that answers `error`."""
    return STATUS_OF_CODE.get(error.code, STATUS_OF_CATEGORY[error.category])


def render_problem(  # noqa: PLR0913 - all but three by keyword, each with a default
    status: int,
    code: str,
    detail: str,
    *,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """A problem answer; `faults` is everything that is wrong with the input, `more` what only this kind tells."""
    facts = current_request()
    body = {
        "type": f"urn:fireloom:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": facts.path,
        "request_id": facts.request_id,
        "faults": [_render_fault(fault) for fault in faults],
        **(more or {}),
    }
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(text, status, dict(headers or {}), PROBLEM_MEDIA_TYPE)


def render_domain_error(error: DomainError) -> Response:
    """The answer to a refusal or failure; what an internal one says stays in the logs."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status in {429, 503} and (error.retryable or error.retry_after_seconds is not None):
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds or _RETRY_SECONDS))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="fireloom", error="invalid_token"'
    faults = error.faults if isinstance(error, InvalidArgument) else ()
    hidden = error.category is Category.INTERNAL
    if hidden:
        logger.error("internal error: %s", error.message, exc_info=error)
    detail = _HIDDEN if hidden else error.message
    more = {"changed": error.changed} if isinstance(error, VersionMismatch) and error.changed is not None else None
    return render_problem(status, error.code, detail, faults=faults, headers=headers, more=more)


def render_crash(error: Exception) -> Response:
    """The answer to an error that nobody foresaw: logged in full, and hidden from the caller."""
    logger.error("unhandled %s", type(error).__name__, exc_info=error)
    return render_problem(500, "internal", _HIDDEN)


async def answer_domain_error(_request: Request, error: Exception) -> Response:
    """FastAPI's handler of `DomainError`."""
    assert isinstance(error, DomainError)  # noqa: S101 - registered for this class alone
    return render_domain_error(error)


async def answer_http_error(_request: Request, error: Exception) -> Response:
    """FastAPI's handler of what the framework refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    status = error.status_code
    return render_problem(
        status,
        _CODE_OF_STATUS.get(status, "internal" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_argument"),
        error.detail,
        headers=error.headers,
    )


async def answer_invalid_request(_request: Request, error: Exception) -> Response:
    """FastAPI's handler of parameters and bodies that do not fit: every fault with its path."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    faults = [_fault_of(found) for found in error.errors()]
    return render_problem(400, "invalid_argument", "The request is not valid.", faults=faults)


def _fault_of(found: Mapping[str, Any]) -> Fault:
    """The fault behind one of Pydantic's errors; paths into the body start there."""
    parts = [str(part) for part in found["loc"]]
    if found["type"] == "json_invalid":
        return Fault(path="", reason=f"not valid JSON: {found['ctx']['error']} at character {parts[-1]}")
    if parts == ["body"]:
        return Fault(path="", reason=_NO_BODY if found["type"] == "missing" else _NO_MAP)
    if parts and parts[0] == "body":
        parts = parts[1:]
    return Fault(path=".".join(parts), reason=plain(str(found["msg"])))


def _render_fault(fault: Fault) -> dict[str, Any]:
    place = {} if fault.line is None else {"line": fault.line, "column": fault.column}
    return {"path": fault.path, "reason": fault.reason, "suggestion": fault.suggestion, **place}
