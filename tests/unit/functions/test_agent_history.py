"""What was decided about an agent, over HTTP: who moved an alias from where to where, who granted and revoked what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.in_process import Deployment, deployed

HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


async def told(here: Deployment, path: str, query: str = "", by: str = "ada") -> list[tuple[Any, ...]]:
    items = (await here.ask("GET", f"{path}/history{query}", by=by)).json()["items"]
    assert [one["at"] for one in items] == sorted((one["at"] for one in items), reverse=True)
    return [(one["topic"], one["subject"], one["by_uid"], one["old"], one["new"]) for one in items]


def terms(permission: str, **constraints: Any) -> dict[str, Any]:
    free = {"expires_at": None, "max_runs": None, "max_cost_usd_micros_per_day": None}
    return {"permission": permission, "constraints": {**free, **constraints}}


async def test_an_alias_leaves_a_trace_wherever_it_goes(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", path, json={**HELPER, "description": "two"})
    await here.ask("POST", f"{path}/grants", 201, json={"grantee": "bob", "permission": "edit"})
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": "latest"}, by="bob")
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 2})  # where it is already
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    await here.ask("DELETE", f"{path}/aliases/prod", 204, by="bob")
    assert await told(here, path, by="bob") == [
        ("alias", "prod", "bob", 1, None),
        ("alias", "prod", "ada", 2, 1),
        ("alias", "prod", "bob", 1, 2),
        ("alias", "prod", "ada", None, 1),
    ]
    first = (await here.ask("GET", f"{path}/history?topic=alias&limit=3")).json()
    rest = await told(here, path, f"?topic=alias&limit=3&page_token={first['next_page_token']}")
    assert rest == [("alias", "prod", "ada", None, 1)]


async def test_a_move_that_was_refused_leaves_none(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", f"{path}/aliases/prod", 404, json={"version": 7})
    await here.ask("PUT", f"{path}/aliases/prod", 412, json={"version": 1}, headers={"If-Match": '"1-9"'})
    await here.ask("DELETE", f"{path}/aliases/prod", 404)
    assert await told(here, path) == []


async def test_grants_leave_a_trace_for_those_who_administer_the_agent(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    until = "2030-01-01T00:00:00+00:00"
    limited = {"grantee": "bob", "permission": "run", "constraints": {"max_runs": 2, "expires_at": until}}
    await here.ask("POST", f"{path}/grants", 201, json=limited)
    await here.ask("POST", f"{path}/grants", 200, json={"grantee": "bob", "permission": "admin"})
    await here.ask("POST", f"{path}/grants", 201, by="bob", json={"grantee": "everyone", "permission": "view"})
    await here.ask("DELETE", f"{path}/grants/everyone", 204)
    await here.ask("DELETE", f"{path}/grants/me", 204, by="bob")
    await here.ask("POST", f"{path}/grants", 201, json={"grantee": "bob", "permission": "view"})
    assert await told(here, path, "?topic=grant") == [
        ("grant", "bob", "ada", None, terms("view")),
        ("grant", "bob", "bob", terms("admin"), None),
        ("grant", "everyone", "ada", terms("view"), None),
        ("grant", "everyone", "bob", None, terms("view")),
        ("grant", "bob", "ada", terms("run", max_runs=2, expires_at=until), terms("admin")),
        ("grant", "bob", "ada", None, terms("run", max_runs=2, expires_at=until)),
    ]
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    assert [one[0] for one in await told(here, path, by="bob")] == ["alias"]
    await here.ask("GET", f"{path}/history?topic=grant", 403, by="bob")
    await here.ask("GET", f"{path}/history", 404, by="root")
    await here.ask("GET", f"{path}/history?topic=rating", 400)


async def test_what_an_agent_began_with_is_told_too(here: Deployment) -> None:
    path = f"/agents/{(await here.make(permissions={'public': True, 'shared_with': ['bob-name']}))['id']}"
    assert sorted(await told(here, path)) == [
        ("grant", "bob", "ada", None, terms("run")),
        ("grant", "everyone", "ada", None, terms("run")),
    ]


async def test_each_deed_has_its_instant(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    for version in (1, "latest"):
        await here.ask("PUT", f"{path}/aliases/v-{version}", json={"version": version})
    later, earlier = (
        datetime.fromisoformat(one["at"]) for one in (await here.ask("GET", f"{path}/history")).json()["items"]
    )
    assert later - earlier == timedelta(seconds=1)
