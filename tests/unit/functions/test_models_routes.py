"""GET /models, and the models that a deployment does not run, over HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.agents.catalog import catalog_routes
from functions.agents.models import model_routes
from functions.agents.routes import making_routes, reading_routes, writing_routes
from functions.agents.versions import version_routes
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.domain.allowed_models import AllowedModels
from shared.domain.errors import Unauthenticated
from shared.domain.ids import Uid
from shared.domain.model_catalog import CATALOG
from shared.edge.app import create_app
from shared.ports.identity import Identity
from shared.usecases.agents.shelf import Shelf

HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}
ELSEWHERE: dict[str, Any] = {**HELPER, "model": "anthropic:claude-sonnet-5-5"}


class NamesAsTokens:
    async def verify(self, token: str) -> Identity:
        if token != "ada":
            raise Unauthenticated("The token is not valid.")
        return Identity(Uid(token), "user")


@asynccontextmanager
async def deployment(
    *allowed: str, providers: frozenset[str] = frozenset({"local"})
) -> AsyncGenerator[httpx.AsyncClient]:
    models = AllowedModels(allowed) if allowed else AllowedModels()
    shelf = Shelf(MemoryDocuments(), MemoryClock(), MemoryIds(), models)
    app = create_app("agents", verifier=NamesAsTokens())
    app.include_router(model_routes(models, providers))
    app.include_router(catalog_routes(shelf))
    for routes in (making_routes, writing_routes, reading_routes, version_routes):
        app.include_router(routes(shelf))
    headers = {"Authorization": "Bearer ada"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as client:
        yield client


async def test_every_model_is_listed_with_what_it_can_do_and_costs() -> None:
    async with deployment(providers=frozenset({"local", "google"})) as client:
        listed = (await client.get("/models")).json()
    assert [model["name"] for model in listed["items"]] == list(CATALOG)
    named = {model["name"]: model for model in listed["items"]}
    flash = named["google:gemini-3.8-flash"]
    assert (flash["provider"], flash["model"], flash["context_tokens"]) == ("google", "gemini-3.8-flash", 1_000_000)
    assert set(flash["capabilities"]) >= {"tools", "images", "structured_output", "native_search"}
    assert flash["prices"] == [{"input": 0.75, "output": 3.75, "cached_input": 0.075, "input_tokens_above": 0}]
    assert {name for name, model in named.items() if model["configured"]} == {
        name for name in named if name.startswith(("local:", "google:"))
    }
    assert (listed["default"], listed["allowed"], listed["prices_as_of"]) == ("local:extractive", ["*"], "2026-11-21")


async def test_only_what_a_deployment_allows_is_listed() -> None:
    async with deployment("local:*", "*:claude-haiku-*") as client:
        listed = (await client.get("/models")).json()
    assert {model["name"] for model in listed["items"]} == {
        "local:extractive",
        "local:scripted",
        "anthropic:claude-haiku-5-5",
        "anthropic:claude-haiku-4-5",
        "anthropic-vertex:claude-haiku-5-5",
    }


async def test_the_list_is_for_people_who_signed_in() -> None:
    async with deployment() as client:
        answer = await client.get("/models", headers={"Authorization": ""})
    assert answer.status_code == 401


GRAPH = {"nodes": {"a": {"kind": "agent", "prompt": "x", "model": "google:gemini-x"}}}
LOOP = {"kind": "loop", "until": "true", "body": {"kind": "agent", "prompt": "x", "model": "google:gemini-x"}}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"model": "anthropic:claude-sonnet-4-6"}, "model"),
        ({"model": {"provider": "local", "model": "scripted", "fallbacks": ["google:gemini-x"]}}, "model.fallbacks.0"),
        ({"type": "graph", "graph": GRAPH}, "graph.nodes.a.model"),
        ({"type": "graph", "graph": {"nodes": {"a": LOOP}}}, "graph.nodes.a.body.model"),
        (
            {"type": "delegation", "agents": {"sub": {"description": "d", "model": "google:gemini-x"}}},
            "agents.sub.model",
        ),
    ],
)
async def test_a_definition_with_a_model_that_is_not_run_here_is_refused(fields: dict[str, Any], path: str) -> None:
    async with deployment("local:*", "anthropic:claude-sonnet-5*") as client:
        validated = (await client.post("/agents/validate", json={**HELPER, **fields})).json()
        created = await client.post("/agents", json={**HELPER, **fields})
    assert validated["valid"] is False
    (fault,) = validated["faults"]
    assert (fault["path"], fault["reason"]) == (path, "is not among the models that this deployment runs")
    assert created.status_code == 400
    assert [one["path"] for one in created.json()["faults"]] == [path]


async def test_the_fault_suggests_what_is_most_like_it() -> None:
    async with deployment("local:*", "anthropic:claude-sonnet-5*") as client:
        sonnet = (await client.post("/agents/validate", json={**HELPER, "model": "anthropic:claude-sonnet-4-6"})).json()
    assert sonnet["faults"][0]["suggestion"] == "anthropic:claude-sonnet-5-5"


async def test_neither_an_update_nor_a_draft_brings_in_what_is_not_run_here() -> None:
    async with deployment("local:*") as client:
        agent = (await client.post("/agents", json=HELPER)).json()
        path = f"/agents/{agent['id']}"
        updated = await client.put(path, json=ELSEWHERE)
        drafted = await client.put(f"{path}?draft=true", json=ELSEWHERE, headers={"If-Match": agent_tag(agent)})
        published = await client.post(f"{path}/versions", json={})
    assert (updated.status_code, drafted.status_code, published.status_code) == (400, 200, 400)


def agent_tag(agent: dict[str, Any]) -> str:
    return f'"{agent["head"]}"'


async def test_the_deployments_own_choice_is_always_allowed() -> None:
    async with deployment("local:*") as client:
        answer = await client.post("/agents/validate", json={**HELPER, "model": {"provider": "default"}})
    assert answer.json()["valid"] is True


def test_the_function_imports_no_model_library() -> None:
    program = (
        "import sys, functions.agents.models, functions.agents.catalog;"
        "print([name for name in ('pydantic_ai', 'genai_prices', 'anthropic', 'google.genai') if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"
