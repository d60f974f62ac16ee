"""What surrounds every request: its identity, its size, a net for what nobody foresaw.

Pure ASGI, because a `BaseHTTPMiddleware` buffers streams and loses context variables.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.edge.errors import render_crash, render_problem
from shared.edge.logs import RequestFacts, enter_request, logger

MAX_REQUEST_BYTES = 32 << 20
"""Source: https://cloud.google.com/run/quotas"""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/.*)?")
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The largest body, in bytes, of requests of this method whose whole path matches."""

    method: str
    path: re.Pattern[str]
    limit_bytes: int


class RequestIdentity:
    """Gives each request its id and trace, returns the id, and logs one line per answer."""

    def __init__(self, app: ASGIApp, function: str) -> None:
        """Wrap `app`, the application of `function`."""
        self._app = app
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = facts_of(Headers(scope=scope), self._function, scope["path"])
        enter_request(facts)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = facts.request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _log_answer(scope, status, time.perf_counter() - started)


class BodySizeLimit:
    """Refuses too large bodies with 413, and keeps none of them.

    A refused body is read to its end, up to what Google's front end lets through: a client that is
    cut off while it still sends sees a broken connection, and not the answer.
    """

    def __init__(self, app: ASGIApp, default_bytes: int, exceptions: Sequence[BodyLimit]) -> None:
        """Wrap `app`; the first of `exceptions` that fits a request replaces the default limit."""
        self._app = app
        self._default_bytes = default_bytes
        self._exceptions = tuple(exceptions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["method"], scope["path"])
        reason = f"The body is larger than {limit} bytes."
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await _drain(receive)
            await render_problem(413, "too_large", reason)(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                if message.get("more_body"):
                    await _drain(receive)
                raise HTTPException(413, reason)
            return message

        await self._app(scope, receive_within_limit, send)

    def _limit_of(self, method: str, path: str) -> int:
        for exception in self._exceptions:
            if exception.method == method and exception.path.fullmatch(path):
                return exception.limit_bytes
        return self._default_bytes


async def _drain(receive: Receive) -> None:
    """Read the rest of a body and forget it."""
    left = MAX_REQUEST_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return


class CrashNet:
    """Answers what no handler caught with a 500 that tells nothing.

    Starlette's own net raises the error again after its answer, and functions-framework would
    answer a second time.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noting_start)
        except Exception as error:
            if scope["type"] != "http":
                raise
            answer = render_crash(error)
            if started:
                raise  # half an answer is out: only breaking the connection tells the client
            await answer(scope, receive, send)


def facts_of(headers: Headers, function: str, path: str) -> RequestFacts:
    """The identity of a request: of W3C trace context, else of Google's header, else fresh."""
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", "")) or _CLOUD_TRACE.fullmatch(
        headers.get("x-cloud-trace-context", "")
    )
    trace_id = found[1] if found else secrets.token_hex(16)
    asked = headers.get("x-request-id", "")
    request_id = asked if _REQUEST_ID.fullmatch(asked) else trace_id
    return RequestFacts(function, request_id, trace_id, path)


def _log_answer(scope: Scope, status: int, seconds: float) -> None:
    if scope["path"] == "/health":
        return
    request = {
        "requestMethod": scope["method"],
        "requestUrl": scope["path"],
        "status": status,
        "latency": f"{seconds:.6f}s",
    }
    fields = {"fields": {"httpRequest": request}}
    logger.info("%s %s %d", scope["method"], scope["path"], status, extra=fields)
