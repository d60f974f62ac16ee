"""The one address of the local stack: a reverse proxy over the functions.

It does what Firebase Hosting's rewrites do when deployed: each path goes to the deployable that
``shared.edge.routes`` names, bodies stream both ways, and a client that leaves is noticed by the
function. It also serves the merged API document and a page that renders it.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from scripts.local.openapi import merge_documents
from scripts.local.paths import ROOT
from scripts.local.processes import HOST
from shared.edge.routes import UNROUTED, find_deployable

_HOP_BY_HOP = frozenset({b"connection", b"host", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
_CHUNKS_IN_FLIGHT = 4
_CONNECT_RETRIES = 5  # 0.5 + 1 + 2 + 4 s: longer than a function takes to reload
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fireloom API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<div id="page"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", persistAuthorization: true,
  tryItOutEnabled: true, validatorUrl: null});
</script>
"""


_CONNECT_SECONDS = 60
_KEEP_ALIVE_SECONDS = 600
"""How long an idle connection of a client is kept: longer than clients do. Whoever closes first decides whether the
other's next request is lost."""

_Body = asyncio.Queue[bytes | None]
_Headers = list[tuple[bytes, bytes]]


class Gateway:
    """Forwards each request to its function, as an ASGI application."""

    def __init__(self, functions: Mapping[str, str], connect_retries: int) -> None:
        """Know where the functions are.

        Args:
            functions: The base address of each function, by its name.
            connect_retries: How often to try again, with growing pauses, where nobody listens.
        """
        self._functions = functions
        # A fresh connection each: none to a function that has just been replaced, or that has just closed an idle one.
        # The transport keeps the limits; those of a client with a transport of its own count for nothing.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(retries=connect_retries, limits=limits, trust_env=False),
            timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
            trust_env=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the function's answer, 404 without a route, or 503 without the function."""
        request = Request(scope, receive)
        function = find_deployable(request.url.path)
        base = None if function is None else self._functions.get(function)
        if base is None:
            refusal = _problem(404, "not_found", f"nothing is served at {request.url.path}")
            return await refusal(scope, receive, send)
        return await self._forward(request, base, send)

    async def document(self, _request: Request) -> Response:
        """The merged API document, made from what each function says now."""
        public = [name for name in self._functions if name not in UNROUTED]
        asked = (self._client.get(f"{self._functions[name]}/openapi.json") for name in public)
        try:
            answers = await asyncio.gather(*asked)
        except httpx.TransportError:
            return _unavailable()
        documents = {name: answer.json() for name, answer in zip(public, answers, strict=True)}
        return JSONResponse(merge_documents(documents))

    async def health(self, _request: Request) -> Response:
        """The health of every function; 503 unless all are well."""
        answers = await asyncio.gather(
            *(self._client.get(f"{base}/health") for base in self._functions.values()),
            return_exceptions=True,
        )
        states = {
            name: "ok" if isinstance(answer, httpx.Response) and answer.is_success else "down"
            for name, answer in zip(self._functions, answers, strict=True)
        }
        well = set(states.values()) == {"ok"}
        return JSONResponse({"status": "ok" if well else "degraded", "functions": states}, 200 if well else 503)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _forward(self, request: Request, base: str, send: Send) -> None:
        query = request.scope["query_string"].decode()
        has_body = {"content-length", "transfer-encoding"} & set(request.headers)
        body: _Body = asyncio.Queue(maxsize=_CHUNKS_IN_FLIGHT)
        forwarded = self._client.build_request(
            request.method,
            base + request.scope["raw_path"].decode() + (f"?{query}" if query else ""),
            headers=[*_end_to_end(request.headers.raw), *_forwarding(request)],
            content=_chunks(body) if has_body else None,
        )
        answering = asyncio.create_task(self._answer(request, forwarded, send))
        reading = asyncio.create_task(_read(request.receive, body, answering))
        try:
            await asyncio.wait({answering})
        finally:
            answering.cancel()
            reading.cancel()
        if not answering.cancelled():
            answering.result()

    async def _answer(self, request: Request, forwarded: httpx.Request, send: Send) -> None:
        try:
            answer = await self._client.send(forwarded, stream=True)
        except httpx.TransportError:
            return await _unavailable()(request.scope, request.receive, send)
        try:
            headers = _end_to_end(answer.headers.raw)
            status = answer.status_code
            await send({"type": "http.response.start", "status": status, "headers": headers})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            return await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()


async def _read(receive: Receive, body: _Body, answering: asyncio.Task[None]) -> None:
    """Pass the client's body on, then wait for the client to leave, and end the answer."""
    while (message := await receive())["type"] == "http.request":
        await body.put(message.get("body", b""))
        if not message.get("more_body"):
            await body.put(None)
    answering.cancel()


async def _chunks(body: _Body) -> AsyncIterator[bytes]:
    while (chunk := await body.get()) is not None:
        yield chunk


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    lower = ((name.lower(), value) for name, value in headers)
    return [(name, value) for name, value in lower if name not in _HOP_BY_HOP]


def _forwarding(request: Request) -> _Headers:
    host = request.headers.get("host", "")
    client = request.client.host if request.client else ""
    return [(b"x-forwarded-host", host.encode()), (b"x-forwarded-for", client.encode())]


def _unavailable() -> Response:
    return _problem(503, "unavailable", "the function does not answer; see its log")


def _problem(status: int, code: str, detail: str) -> Response:
    content = {
        "type": "about:blank",
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse(content, status, media_type="application/problem+json")


async def _page(_request: Request) -> Response:
    return HTMLResponse(_PAGE)


def create_app(functions: Mapping[str, str], *, connect_retries: int = _CONNECT_RETRIES) -> Starlette:
    """The gateway with its own pages.

    Args:
        functions: The base address of each function, by its name.
        connect_retries: How often to try again, with growing pauses, where nobody listens.
    """
    gateway = Gateway(functions, connect_retries)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        yield
        await gateway.close()

    assets = StaticFiles(directory=ROOT / "node_modules" / "swagger-ui-dist")
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health", gateway.health),
            Route("/openapi.json", gateway.document),
            Route("/docs", _page),
            Mount("/docs/assets", assets),
            Mount("/", gateway),
        ],
    )


def serving_config(app: Starlette, port: int) -> uvicorn.Config:
    """How the gateway is served."""
    return uvicorn.Config(
        app,
        host=HOST,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


def main() -> None:
    """Serve. The arguments are the port, and the functions' addresses as a JSON object."""
    port, functions = sys.argv[1:]
    uvicorn.Server(serving_config(create_app(json.loads(functions)), int(port))).run()


if __name__ == "__main__":
    main()
