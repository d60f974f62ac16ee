"""A file that is the body of a request."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from shared.domain.media_types import media_type_in

ANY_BYTES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""What OpenAPI says of a route that takes any bytes."""

_SAID_NOTHING = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})
"""Media types that tools send where their user named none."""


def named_media_type(request: Request) -> str | None:
    """The media type that whoever sends the file has named; None where they have not."""
    media_type = media_type_in(request.headers.get("content-type"))
    return None if media_type in _SAID_NOTHING else media_type
