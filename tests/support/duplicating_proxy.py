"""A proxy before several servers of the same kind, which delivers some requests twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.local.processes import HOST

_SECONDS = 120
_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


class DuplicatingProxy:
    """Gives each request to the next of `targets`, and every `every`-th one to the one after it as well."""

    def __init__(self, targets: Sequence[str], every: int) -> None:
        self.duplicated = 0
        self._targets = itertools.cycle(targets)
        self._every = every
        self._passed = 0
        self._client = httpx.AsyncClient(timeout=_SECONDS, trust_env=False)
        self._copies: set[asyncio.Task[Response]] = set()

    async def pass_on(self, request: Request) -> Response:
        """Answer what a server answers; 502 where it died, as a load balancer does."""
        body = await request.body()
        self._passed += 1
        if self._passed % self._every == 0:
            self.duplicated += 1
            copy = asyncio.ensure_future(self._send(request, body))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)
        return await self._send(request, body)

    async def close(self) -> None:
        """Forget what is still under way."""
        for copy in self._copies:
            copy.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)
        await self._client.aclose()

    async def _send(self, request: Request, body: bytes) -> Response:
        address = f"{next(self._targets)}{request.url.path}"
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP_BY_HOP]
        try:
            answer = await self._client.request(request.method, address, headers=headers, content=body)
        except httpx.TransportError as error:
            return Response(str(error), 502)
        return Response(answer.content, answer.status_code)


@asynccontextmanager
async def duplicating_proxy(port: int, targets: Sequence[str], every: int) -> AsyncGenerator[DuplicatingProxy]:
    """A proxy on a port of the loopback address before servers at the addresses `targets`."""
    proxy = DuplicatingProxy(targets, every)
    app = Starlette(routes=[Route("/{path:path}", proxy.pass_on, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, HOST, port, log_level="warning", lifespan="off"))
    serving = asyncio.ensure_future(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)
        yield proxy
    finally:
        server.should_exit = True
        await serving
        await proxy.close()
