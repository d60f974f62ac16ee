"""Small request bodies, read as strictly as definitions are: no key twice, bounded depth; JSON or YAML, or nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.suggestions import closest, plain
from shared.edge.definition_body import MEDIA_TYPES, parse_body

M = TypeVar("M", bound=BaseModel)


def strict_body(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads the body as `model`; no body is an empty map."""

    async def read(request: Request) -> M:
        body = await request.body()
        raw: Any = parse_body(body, request.headers.get("content-type")) if body.strip() else None
        try:
            return model.model_validate({} if raw is None else raw)
        except ValidationError as error:
            faults = [_fault(found, model) for found in error.errors(include_url=False, include_context=False)]
            raise InvalidArgument("The request is not valid.", tuple(faults)) from None

    return read


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """What documents such a body, for a route's `openapi_extra`."""
    schema = model.model_json_schema()
    return {"requestBody": {"content": {media_type: {"schema": schema} for media_type in MEDIA_TYPES[:2]}}}


def _fault(found: Any, model: type[BaseModel]) -> Fault:
    path = [str(part) for part in found["loc"]]
    unknown = found["type"] == "extra_forbidden"
    return Fault(".".join(path), plain(found["msg"]), closest(path[-1], model.model_fields) if unknown else None)
