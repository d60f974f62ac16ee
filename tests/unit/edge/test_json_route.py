"""Bodies of JSON: what could not be stored or shown again is refused, with what is wrong and where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from scripts.local.paths import ROOT
from shared.edge.app import create_app
from shared.edge.json_route import JsonRoute
from shared.edge.run_input import RunInput

JSON = "application/json"

PLAIN_ROUTES = """
import importlib, json
from fastapi.routing import APIRoute
from shared.edge.json_route import JsonRoute
from shared.edge.routes import ROUTES, find_deployable

def every(routes):
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from every(inner.routes) if inner is not None else [route]

found = []
for name in sorted({row.deployable for row in ROUTES}):
    for route in every(importlib.import_module(f"functions.{name}.main").app.routes):
        reads = isinstance(route, APIRoute) and route.body_field is not None
        found += [(route.path, isinstance(route, JsonRoute))] if reads and find_deployable(route.path) == name else []
print(json.dumps(found))
"""


class Body(BaseModel):
    input: RunInput
    sizes: list[int] = []
    more: dict[str, Any] = {}


@pytest.fixture
def client() -> httpx.AsyncClient:
    app, router = create_app("runs"), APIRouter(route_class=JsonRoute)

    @router.post("/things")
    async def make(body: Body) -> Body:
        return body

    @router.post("/choices")
    async def choose(body: Body | None = None) -> bool:
        return body is None

    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def send(client: httpx.AsyncClient, content: str | bytes, media_type: str | None = JSON) -> httpx.Response:
    headers = {} if media_type is None else {"Content-Type": media_type}
    return await client.post("/things", content=content, headers=headers)


@pytest.mark.parametrize("media_type", [JSON, "application/json; charset=utf-8", "application/merge-patch+json", None])
async def test_json_is_read(client: httpx.AsyncClient, media_type: str | None) -> None:
    answer = await send(client, '{"input": "Glühend 😀", "more": {"a": [1.5, null]}}', media_type)
    assert answer.json() == {"input": "Glühend 😀", "sizes": [], "more": {"a": [1.5, None]}}


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/yaml"])
async def test_another_format_is_said_to_be_another(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await send(client, '{"input": "a"}', media_type)
    told = f"Send the body as application/json; '{media_type}' is not understood here."
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.json()["detail"] == told


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"input": "\\ud800"}', "has half a surrogate pair (\\ud800 to \\udfff), which is not a character"),
        ('{"input": {"a": NaN}}', "NaN is not a number of JSON"),
        ('{"input": {"a": 1e999}}', "has a number that is too large"),
        ('{"input": {"a": ' + "9" * 5000 + "}}", "has an integer with too many digits"),
        ('{"input": {"a": ' + "[" * 300 + "]" * 300 + "}}", "is nested more than 64 deep"),
        ('{"input": {"a": ' + "[" * 50_000 + "]" * 50_000 + "}}", "is nested more than 64 deep"),
        ('{"input": "a", "input": "b"}', "has the key 'input' twice in one map"),
        (b'{"input": "\xe9"}', "is not UTF-8: byte 11"),
        ('{"input": ', "line 1, column 11: Expecting value"),
    ],
)
async def test_what_is_no_json_to_keep_is_refused(client: httpx.AsyncClient, content: str | bytes, reason: str) -> None:
    answer = await send(client, content)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert [fault["reason"] for fault in answer.json()["faults"]] == [reason]


@pytest.mark.parametrize(
    ("content", "path", "reason"),
    [
        ("", "", "the body is missing: send a JSON object"),
        ("null", "", "the body must be a JSON object"),
        ("[]", "", "the body must be a JSON object"),
        ('"a"', "", "the body must be a JSON object"),
        ("{}", "input", "is missing"),
        ('{"input": null}', "input", "must be text or an object"),
        ('{"input": ["a"]}', "input", "must be text or an object"),
        ('{"input": "a", "sizes": {}}', "sizes", "must be a list"),
        ('{"input": "a", "more": []}', "more", "must be a map of names to values"),
    ],
)
async def test_what_does_not_fit_is_told_in_one_sentence(
    client: httpx.AsyncClient, content: str, path: str, reason: str
) -> None:
    answer = await send(client, content)
    assert answer.status_code == 400
    assert [(fault["path"], fault["reason"]) for fault in answer.json()["faults"]] == [(path, reason)]


@pytest.mark.parametrize("content", ["", "null"])
async def test_a_body_that_may_be_left_out_may_be_null(client: httpx.AsyncClient, content: str) -> None:
    answer = await client.post("/choices", content=content, headers={"Content-Type": JSON})
    assert answer.json() is True


def test_every_public_route_that_takes_json_reads_it_so() -> None:
    environ = {"PATH": os.environ["PATH"], "FIRELOOM_PROJECT": "demo-routes", "PYTHONPATH": str(ROOT)}
    listed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN_ROUTES], env=environ, capture_output=True, text=True, check=True
    )
    found: list[tuple[str, bool]] = [*map(tuple, json.loads(listed.stdout.splitlines()[-1]))]
    assert len(found) >= 30
    assert [path for path, strict in found if not strict] == []
