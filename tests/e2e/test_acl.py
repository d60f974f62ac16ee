"""The matrix of who may do what, asked of the deployed product: real tokens, real grants, every function."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest

from scripts.local.stack import Stack
from tests.e2e.test_auth import Emulator, administrator_token
from tests.support.acl.roles import GRANTED, Role, Row
from tests.support.people import sign_up
from tests.support.polling import until
from tests.unit.acl.table import ROWS

ROLES = [role for role in Role if role is not Role.MODERATOR]  # nobody becomes one over HTTP
REFUSED = {401, 403, 404}
AT_ONCE = 6
PLAIN = ("1", "draft", "me")
"""What rows have in paths, and means just that."""
HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}
FOR_ALL = {"grantee": "everyone", "permission": "run"}


@dataclass
class Village:
    """Somebody in every role, and what they stand to: `ids` says what the placeholders of paths mean."""

    people: dict[Role, httpx.AsyncClient] = field(default_factory=dict[Role, httpx.AsyncClient])
    ids: dict[str, str] = field(default_factory=dict[str, str])

    async def done(self, role: Role, method: str, path: str, **sent: Any) -> Any:
        """The answer to a request that must be granted."""
        answer = await self.people[role].request(method, path, **sent)
        assert answer.is_success, f"{role} {method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def uid(self, role: Role) -> str:
        return str((await self.done(role, "GET", "/users/me"))["uid"])

    async def status(self, role: Role, row: Row) -> int:
        """The status with which a row's request is answered."""
        method, _, template = row.route.partition(" ")
        means = {name: self.ids.get(row.at.get(name, name), row.at.get(name, "")) for name in names_in(template)}
        sent: dict[str, Any] = {"json": filled(row.body, self.ids)} if row.body is not None else {}
        if isinstance(row.body, bytes):
            sent = {"content": row.body}
        answer = await self.people[role].request(method, template.format(**means) + row.query, **sent)
        return answer.status_code


def names_in(template: str) -> list[str]:
    return re.findall(r"{(\w+)}", template)


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        people = {"grantee", "reader"}
        return {key: ids.get(part, part) if key in people else filled(part, ids) for key, part in fields.items()}
    return value.format(**ids) if isinstance(value, str) and value.startswith("{") else value


@pytest.fixture(scope="module")
async def village(stack: Stack) -> AsyncIterator[Village]:
    village = Village()
    async with AsyncExitStack() as cleanup:
        client = httpx.AsyncClient(base_url=stack.api, timeout=60, trust_env=False)
        api = await cleanup.enter_async_context(client)
        village.people[Role.ANONYMOUS] = api
        for role in ROLES:
            if role not in {Role.ANONYMOUS, Role.ADMIN}:
                village.people[role] = await cleanup.enter_async_context(sign_up(api))
        village.people[Role.ADMIN] = await cleanup.enter_async_context(await administrator(stack, api))
        await settle(village)
        yield village


async def administrator(stack: Stack, api: httpx.AsyncClient) -> httpx.AsyncClient:
    base = f"http://127.0.0.1:{stack.settings.ports.emulators.auth}"
    async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
        token = await administrator_token(api, Emulator(http, stack.settings.project))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=stack.api, timeout=60, trust_env=False, headers=headers)


async def settle(village: Village) -> None:
    """Make an agent that is shared, a deleted one, one for everyone, one of the system; and what a reader may read."""
    done, ids = village.done, village.ids
    ids |= {"template": "basic", "name": "token", "version": "1", "alias": "prod"}
    ids |= {role: await village.uid(role) for role in village.people if role is not Role.ANONYMOUS}
    ids |= {"grantee": ids[Role.VIEWER], "user_id": ids[Role.STRANGER]}
    shut_out = ids[Role.DEACTIVATED]
    for name, fields in (("deleted", {"name": "deleted"}), ("agent_id", {})):
        ids[name] = (await done(Role.OWNER, "POST", "/agents", json={**HELPER, **fields}))["id"]
        path = f"/agents/{ids[name]}"
        await done(Role.OWNER, "PUT", f"{path}/aliases/prod", json={"version": 1})
        await done(Role.OWNER, "PUT", f"{path}?draft=true", json=HELPER, headers={"If-Match": "*"})
        holders = {ids[role]: permission for role, permission in GRANTED.items()} | {shut_out: "admin"}
        for uid, permission in holders.items():
            await done(Role.OWNER, "POST", f"{path}/grants", json={"grantee": uid, "permission": permission})
        await done(Role.OWNER, "POST", f"{path}/grants", json=soon_over(ids[Role.FORMER]))
    await done(Role.OWNER, "DELETE", f"/agents/{ids['deleted']}")
    ids["public"] = (await done(Role.OWNER, "POST", "/agents", json={**HELPER, "name": "public"}))["id"]
    await done(Role.OWNER, "POST", f"/agents/{ids['public']}/grants", json=FOR_ALL)
    system = {**HELPER, "name": "of_the_system", "scope": "system"}
    ids["system"] = (await done(Role.ADMIN, "POST", "/agents", json=system))["id"]
    await done(Role.OWNER, "PUT", "/secrets/token", json={"value": "a-secret-of-the-owner"})
    run = await done(Role.OWNER, "POST", "/runs", json={"agent_id": ids["agent_id"], "input": "hello"})
    ids |= {"run_id": run["id"], "session_id": run["session_id"]}
    artifact = f"/sessions/{run['session_id']}/artifacts"
    await done(Role.OWNER, "PUT", artifact, params={"name": "a.txt"}, content=b"text")
    ids["collection_id"] = (await done(Role.OWNER, "POST", "/knowledge", json={"name": "handbook"}))["id"]
    documents = f"/knowledge/{ids['collection_id']}/documents"
    ids["document_id"] = (await done(Role.OWNER, "PUT", documents, params={"name": "a.txt"}, content=b"text"))["id"]
    for uid in (ids["reader"], shut_out):
        await done(Role.OWNER, "POST", f"/sessions/{ids['session_id']}/readers", json={"reader": uid})
        await done(Role.OWNER, "POST", f"/knowledge/{ids['collection_id']}/readers", json={"reader": uid})
    await done(Role.ADMIN, "POST", f"/users/{shut_out}/deactivate")
    await until(lambda: is_over(village))


async def is_over(village: Village) -> bool:
    """Whether the last of the grants that end has ended."""
    return (await village.people[Role.FORMER].get(f"/agents/{village.ids['agent_id']}")).status_code == 404


def soon_over(uid: str) -> dict[str, Any]:
    """A grant that has ended when all is settled."""
    soon = datetime.now(UTC) + timedelta(seconds=20)
    return {"grantee": uid, "permission": "admin", "constraints": {"expires_at": soon.isoformat()}}


def asked(role: Role, village: Village) -> list[Row]:
    """What changes nothing: every read, and of the rest what is refused to this role, of each route one."""
    rows: dict[str, Row] = {}
    for row in ROWS:
        method, _, template = row.route.partition(" ")
        known = all(row.at.get(name, name) in {*village.ids, *PLAIN} for name in names_in(template))
        is_read = method == "GET" and not template.endswith("/events")  # a stream has no end to wait for
        if known and not template.startswith("/auth") and (is_read or row.answers[role] in REFUSED):
            rows.setdefault(row.name if is_read else row.route, row)
    return list(rows.values())


@pytest.mark.parametrize("role", ROLES)
async def test_everybody_is_answered_as_the_matrix_says(village: Village, role: Role) -> None:
    rows = asked(role, village)
    assert len(rows) > (40 if role is Role.OWNER else 60)
    turn = asyncio.Semaphore(AT_ONCE)

    async def status(row: Row) -> int:
        async with turn:
            return await village.status(role, row)

    found = await asyncio.gather(*(status(row) for row in rows))
    wrong = {row.name: one for row, one in zip(rows, found, strict=True) if one != row.answers[role]}
    assert wrong == {}
