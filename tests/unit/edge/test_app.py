"""What every function's application does alike."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Message

from shared.domain.errors import Internal, NotFound, Unauthenticated
from shared.domain.ids import Uid
from shared.edge.app import create_app
from shared.edge.auth import Administrator, Caller
from shared.edge.middleware import BodyLimit
from shared.ports.identity import Identity

ORIGIN = "http://localhost:5173"


class OneToken:
    async def verify(self, token: str) -> Identity:
        if token != "good":
            raise Unauthenticated("The token is not valid.")
        return Identity(Uid("ada"), "user")


class Body(BaseModel):
    name: str
    size: int


PARTS = APIRouter()


@PARTS.post("/parts")
async def add_part() -> None:
    return None


def app_under_test() -> FastAPI:
    app = create_app(
        "agents",
        verifier=OneToken(),
        cors_origin_regex=r"http://localhost(:\d+)?",
        max_body_bytes=100,
        body_limits=[BodyLimit("PUT", re.compile(r"/large/[^/]+"), 200)],
    )

    @app.get("/me")
    async def me(caller: Caller) -> dict[str, str]:
        return {"uid": caller.uid}

    @app.get("/admin")
    async def admin(caller: Administrator) -> dict[str, str]:
        return {"uid": caller.uid}

    @app.post("/things")
    async def make(body: Body, limit: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
        return {"name": body.name, "limit": limit}

    @app.put("/{folder}/{name}")
    async def put(folder: str, name: str, request: Request) -> dict[str, Any]:
        return {"path": f"{folder}/{name}", "size": len(await request.body())}

    app.include_router(PARTS)

    @app.get("/missing")
    async def missing() -> None:
        raise NotFound("There is no such agent.")

    @app.get("/crash")
    async def crash() -> None:
        raise ValueError("the password is hunter2")

    @app.get("/internal")
    async def internal() -> None:
        raise Internal("the password is hunter2")

    return app


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app_under_test())
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_health_needs_no_token(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert answer.json() == {"status": "ok", "function": "agents"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer bad"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Basic good"}, 401),
        ({"Authorization": "Bearer good"}, 200),
    ],
)
async def test_only_a_verified_token_is_let_in(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    answer = await client.get("/me", headers=headers)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) is (status == 401)


async def test_a_user_is_no_administrator(client: httpx.AsyncClient) -> None:
    answer = await client.get("/admin", headers={"Authorization": "Bearer good"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/me/", 404, "not_found"),
        ("POST", "/parts/", 404, "not_found"),
        ("DELETE", "/me", 405, "method_not_allowed"),
        ("GET", "/missing", 404, "not_found"),
        ("GET", "/crash", 500, "internal"),
        ("GET", "/internal", 500, "internal"),
        ("GET", "/me", 401, "unauthenticated"),
    ],
)
async def test_every_error_is_a_problem_that_a_browser_may_read(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path, headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert (answer.json()["code"], answer.json()["instance"]) == (code, path)


@pytest.mark.parametrize("path", ["/crash", "/internal"])
async def test_what_went_wrong_inside_is_logged_and_not_told(
    client: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "fireloom"):
        answer = await client.get(path)
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text


async def test_all_faults_of_a_request_come_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things?limit=0", json={"size": "many"})
    assert answer.status_code == 400
    faults = {fault["path"]: fault["reason"] for fault in answer.json()["faults"]}
    assert set(faults) == {"query.limit", "name", "size"}
    assert faults["name"] == "is missing"


async def test_broken_json_is_a_fault_that_says_where(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/things", content=b'{"name": }', headers=headers)
    assert answer.status_code == 400
    assert "character" in answer.json()["faults"][0]["reason"]


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/small/a", 100, 200), ("/small/a", 101, 413), ("/large/a", 200, 200), ("/large/a", 201, 413)],
)
@pytest.mark.parametrize("length", ["declared", "unknown"])
async def test_a_body_over_the_limit_is_refused(
    client: httpx.AsyncClient, path: str, size: int, status: int, length: str
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    answer = await client.put(
        path, content=b"x" * size if length == "declared" else chunks(), headers={"Origin": ORIGIN}
    )
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert status == 200 or answer.json()["code"] == "too_large"


async def test_a_foreign_origin_is_not_admitted(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health", headers={"Origin": "http://localhost.evil.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_browser_may_send_what_the_api_reads(client: httpx.AsyncClient) -> None:
    answer = await client.options(
        "/me",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,if-match,idempotency-key",
        },
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("X-Request-Id", "mine-1", "mine-1"),
        ("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01", "ab" * 16),
        ("X-Cloud-Trace-Context", f"{'ef' * 16}/123;o=1", "ef" * 16),
    ],
)
async def test_a_request_keeps_the_identity_that_it_brought(
    client: httpx.AsyncClient, header: str, value: str, expected: str
) -> None:
    answer = await client.get("/health", headers={header: value})
    assert answer.headers["x-request-id"] == expected


async def test_a_request_id_that_could_forge_log_lines_is_replaced(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/health", headers={"X-Request-Id": "a b{}"})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_the_documentation_has_the_token_and_the_errors_of_every_route() -> None:
    document = app_under_test().openapi()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/me"]["get"]["security"] == [{"bearer": []}]
    for path in document["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            problem = operation["responses"]["default"]["content"]["application/problem+json"]
            assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]
    json.dumps(document)


async def test_an_error_in_the_middle_of_an_answer_breaks_the_connection() -> None:
    app = create_app("agents")

    @app.get("/broken")
    async def broken() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError("the other half")

        return StreamingResponse(parts())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        with pytest.raises(ValueError, match="the other half"):
            await client.get("/broken")


async def test_a_route_that_asks_who_calls_needs_a_verifier() -> None:
    app = create_app("agents")

    @app.get("/me")
    async def me(caller: Caller) -> str:
        return caller.uid

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/me", headers={"Authorization": "Bearer good"})).status_code == 500


async def test_the_servers_own_messages_pass_through() -> None:
    sent: list[str] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await create_app("agents")({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
