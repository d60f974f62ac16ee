"""The gateway between a real client and a real server, each on the loopback address."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from scripts.local.gateway import create_app, serving_config
from scripts.local.processes import free_port

pytestmark = pytest.mark.loopback


class Function:
    """A stand-in for the chat function, which tells what it noticed."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.go_on = asyncio.Event()
        self.first_chunk = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/sessions/{session}/messages", self.stream, methods=["POST"]),
                Route("/sessions/{session}/events", self.upload, methods=["POST"]),
                Route("/sessions/{path:path}", self.echo, methods=["GET", "PUT"]),
                Route("/health", self.echo),
                Route("/openapi.json", self.document),
            ]
        )

    async def stream(self, _request: Request) -> Response:
        async def frames() -> AsyncIterator[bytes]:
            try:
                yield b"data: first\n\n"
                await self.go_on.wait()
                yield b"data: last\n\n"
            except asyncio.CancelledError:
                self.left.set()
                raise

        return StreamingResponse(frames(), media_type="text/event-stream")

    async def upload(self, request: Request) -> Response:
        received = b""
        async for chunk in request.stream():
            received += chunk
            self.first_chunk.set()
        return Response(received)

    async def echo(self, request: Request) -> Response:
        body = (await request.body()).decode()
        headers = dict(request.headers)
        told = {"path": request.url.path, "query": request.url.query, "body": body, "headers": headers}
        return JSONResponse({**told, "caller": request.client and request.client.port})

    async def document(self, _request: Request) -> Response:
        return JSONResponse({"paths": {"/sessions/{session_id}/messages": {"post": {}}}})


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncGenerator[str, None]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, proxy_headers=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
async def base(function: Function) -> AsyncIterator[str]:
    async with serving(function.app) as base:
        yield base


@pytest.fixture
async def client(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(create_app({"chat": base, "runs": base, "worker": base})) as gateway,
        httpx.AsyncClient(base_url=gateway, timeout=60, trust_env=False) as client,
    ):
        yield client


async def test_a_function_is_asked_on_a_connection_of_its_own(client: httpx.AsyncClient) -> None:
    callers = [(await client.get("/sessions/s1")).json()["caller"] for _ in range(3)]

    assert len(set(callers)) == 3


def test_a_clients_connection_is_kept_longer_than_the_client_keeps_it() -> None:
    kept = serving_config(create_app({}), 0).timeout_keep_alive

    assert kept > (httpx.Limits().keepalive_expiry or 0)


async def test_a_stream_flows_before_it_ends(client: httpx.AsyncClient, function: Function) -> None:
    async with client.stream("POST", "/sessions/s1/messages", json={}) as answer:
        frames = answer.aiter_bytes()
        first = await anext(frames)
        function.go_on.set()
        rest = [frame async for frame in frames]

    assert (first, rest) == (b"data: first\n\n", [b"data: last\n\n"])
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_client_that_leaves_is_noticed_by_the_function(client: httpx.AsyncClient, function: Function) -> None:
    async with client.stream("POST", "/sessions/s1/messages", json={}) as answer:
        await anext(answer.aiter_bytes())

    async with asyncio.timeout(60):
        await function.left.wait()
    assert function.left.is_set()


async def test_an_upload_flows_before_it_ends(client: httpx.AsyncClient, function: Function) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"first "
        await function.first_chunk.wait()
        yield b"last"

    answer = await client.post("/sessions/s1/events", content=body())

    assert answer.content == b"first last"


async def test_path_query_headers_and_body_arrive_as_they_were_sent(client: httpx.AsyncClient) -> None:
    path = "/sessions/s1/artifacts/a%2Fb"
    answer = await client.put(path, params={"name": "ä b"}, content=b"text", headers={"Idempotency-Key": "k"})

    seen = answer.json()
    assert (seen["path"], seen["query"], seen["body"]) == ("/sessions/s1/artifacts/a/b", "name=%C3%A4+b", "text")
    assert seen["headers"]["idempotency-key"] == "k"
    assert seen["headers"]["x-forwarded-host"] == client.base_url.netloc.decode()


@pytest.mark.parametrize("path", ["/tasks/node", "/hooks/before_create", "/nowhere"])
async def test_a_path_without_a_route_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_document_has_the_public_paths(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert list(document["paths"]) == ["/sessions/{session_id}/messages"]


@pytest.mark.parametrize("path", ["/agents", "/openapi.json"])
async def test_a_function_that_is_down_is_unavailable(base: str, path: str) -> None:
    functions = {"agents": f"http://127.0.0.1:{free_port()}", "chat": base}
    async with (
        serving(create_app(functions, connect_retries=0)) as gateway,
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
    ):
        answer = await client.get(gateway + path)
        health = await client.get(f"{gateway}/health")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (health.status_code, health.json()["functions"]) == (503, {"agents": "down", "chat": "ok"})


async def test_the_page_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    script = await client.get("/docs/assets/swagger-ui-bundle.js")

    assert "//" not in page.replace("</", "")
    assert script.status_code == 200
