"""Routes whose bodies of JSON are read as strictly as definitions are, and refused with what is wrong, and where.

FastAPI's own reading takes what cannot be stored or shown again (half a surrogate pair, NaN, a thousand lists within
one another), lets the later of two equal keys win, and says of a body in another format that it is no map.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from shared.domain.errors import UnsupportedMediaType
from shared.domain.media_types import media_type_in
from shared.edge.definition_body import parse_body

_JSON = "application/json"


class JsonRoute(APIRoute):
    """A route that reads the body, where it has one, before all else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read_and_handle(request: Request) -> Response:
            return await handle(await _read(request))

        return read_and_handle


class _JsonRequest(Request):
    """A request whose body was read: its bytes, and their value."""

    def __init__(self, request: Request, content: bytes, value: Any) -> None:
        """Say of the content that it is JSON, the one thing of which FastAPI asks the value."""
        others = [(name, told) for name, told in request.scope["headers"] if name != b"content-type"]
        headers = [*others, (b"content-type", _JSON.encode())]
        super().__init__({**request.scope, "headers": headers}, request.receive)
        self._content = content
        self._value = value

    async def body(self) -> bytes:
        """The content."""
        return self._content

    async def json(self) -> Any:
        """Its value."""
        return self._value


async def _read(request: Request) -> Request:
    """The request, with the value of its body.

    Raises:
        UnsupportedMediaType: the body is said to be something else than JSON.
        InvalidArgument: it is not JSON that can be stored and shown again.
    """
    content = await request.body()
    if not content:
        return request
    media_type = media_type_in(request.headers.get("content-type"))
    if media_type and media_type != _JSON and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"Send the body as {_JSON}; '{media_type}' is not understood here.")
    return _JsonRequest(request, content, parse_body(content, _JSON))
