"""What the product's user asked for of people and agents: every route is there, and every field has its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from functions.auth.shapes import UserShape
from shared.edge.routes import find_deployable
from tests.support.in_process import Deployment, deployed
from tests.unit.acl.table import ROWS

ROUTES = [
    *("POST /auth/login", "POST /auth/register", "GET /auth/me"),
    *("GET /users/me", "PUT /users/me", "GET /users/{user_id}/agents"),
    *("GET /agents", "POST /agents", "POST /agents/{agent_id}/clone", "POST /agents/{agent_id}/execute"),
    *(f"{method} /agents/{{agent_id}}" for method in ("GET", "PUT", "DELETE")),
]
TIMES = {"created_at", "updated_at"}
USER = {"username", "email", "display_name", "role", "is_active", *TIMES}
AGENT = {
    *("name", "display_name", "description", "owner_uid", "scope", "type", "definition", "metadata", "version_tag"),
    *("is_active", "is_template", *TIMES),
}
VERSION = {"agent_id", "version_tag", "definition", "changelog", "created_by", "created_at"}
PERMISSION = {"agent_id", "grantee_uid", "permission", "constraints", "granted_at", "granted_by"}


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_there(route: str) -> None:
    assert route in {row.route for row in ROWS}  # which the matrix holds against what the functions serve
    assert find_deployable(route.partition(" ")[2]) is not None


async def test_every_field_is_there(here: Deployment) -> None:
    made = await here.make(metadata={"tags": ["a"], "category": "help", "anything": 1}, version="1.2.3")
    path = f"/agents/{made['id']}"
    await here.ask("POST", f"{path}/grants", 201, json={"grantee": "bob", "permission": "run"})
    found = {
        "user": set(UserShape.model_fields),
        "agent": set((await here.ask("GET", path)).json()),
        "version": set((await here.ask("GET", f"{path}/versions/1")).json()),
        "permission": set((await here.ask("GET", f"{path}/grants/bob")).json()),
    }
    wanted = {"user": USER, "agent": AGENT, "version": VERSION, "permission": PERMISSION}
    assert {name: fields - found[name] for name, fields in wanted.items() if fields - found[name]} == {}


async def test_somebodys_agents_are_those_that_one_may_see(here: Deployment) -> None:
    private = (await here.make(name="private"))["id"]
    shared = [(await here.make(name=f"shared_{n}"))["id"] for n in range(3)]
    others = (await here.make("root", name="another"))["id"]
    for agent in shared:
        await here.ask("POST", f"/agents/{agent}/grants", 201, json={"grantee": "bob", "permission": "view"})
    await here.ask("POST", f"/agents/{others}/grants", 201, "root", json={"grantee": "bob", "permission": "view"})
    mine = (await here.ask("GET", "/users/ada/agents")).json()["items"]
    assert {agent["id"] for agent in mine} == {private, *shared}
    assert {agent["id"] for agent in await walk(here, "/users/ada/agents", limit=1)} == set(shared)
    system = (await here.make("root", name="system_agent", scope="system"))["id"]
    for limit in (1, 2, 100):
        found = [agent["id"] for agent in await walk(here, "/users/root/agents", limit=limit)]
        assert found == [others, system]
    await here.ask("DELETE", f"/agents/{shared[0]}/grants/bob", 204)
    assert {agent["id"] for agent in await walk(here, "/users/ada/agents", limit=2)} == set(shared[1:])
    await here.ask("GET", "/users/ada/agents?page_token=nonsense", 400, "bob")


async def walk(here: Deployment, path: str, limit: int) -> list[dict[str, Any]]:
    """All that Bob finds, page by page."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = (await here.ask("GET", f"{path}?limit={limit}{token}", by="bob")).json()
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_page_token"] is None:
            return found
        token = f"&page_token={page['next_page_token']}"
