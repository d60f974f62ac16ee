"""Sharing agents, conversations and secrets, end to end: staged functions, real tokens, rules and requests."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.local.stack import Stack
from tests.e2e.test_agents_and_runs import YAML, make_agent, run_to_end
from tests.support.http_sites import Asked, Told, site_of
from tests.support.people import sign_up
from tests.support.polling import until

CANARY = 'canary+7f/3a"9c'
HELPER = "name: helper\nmodel: local:extractive"


@dataclass(frozen=True, slots=True)
class People:
    """Ada shares; Bob and Eve are shared with, or not."""

    ada: httpx.AsyncClient
    bob: httpx.AsyncClient
    eve: httpx.AsyncClient


@pytest.fixture
async def people(api: httpx.AsyncClient) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield People(*[await stack.enter_async_context(sign_up(api)) for _ in range(3)])


async def uid_of(person: httpx.AsyncClient) -> str:
    return str((await person.get("/users/me")).json()["uid"])


async def username_of(person: httpx.AsyncClient) -> str:
    return str((await person.get("/users/me")).json()["username"])


async def share(people: People, agent: str, **grant: Any) -> None:
    body = {"grantee": await username_of(people.bob), **grant}
    answer = await people.ada.post(f"/agents/{agent}/grants", json=body)
    assert answer.status_code in {200, 201}, answer.text


async def listens(stack: Stack, person: httpx.AsyncClient, path: str) -> int:
    """The status with which Firestore itself answers a person who reads a document past the API."""
    host = stack.settings.ports.emulators.environment["FIRESTORE_EMULATOR_HOST"]
    url = f"http://{host}/v1/projects/{stack.settings.project}/databases/(default)/documents/{path}"
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return (await client.get(url, headers={"Authorization": person.headers["Authorization"]})).status_code


async def permissions_told(person: httpx.AsyncClient, path: str) -> list[tuple[str | None, ...]]:
    """The permission before and after each change of the agent's grants, the latest first."""
    deeds = (await person.get(f"{path}/history?topic=grant")).json()["items"]
    return [tuple(terms and terms["permission"] for terms in (deed["old"], deed["new"])) for deed in deeds]


async def test_an_agent_is_shared_used_as_much_as_was_granted_and_taken_back(stack: Stack, people: People) -> None:
    agent = await make_agent(people.ada, HELPER)
    path = f"/agents/{agent}"
    assert (await people.bob.get(path)).status_code == 404
    assert await listens(stack, people.bob, f"agents/{agent}") == 403
    await share(people, agent, permission="view")
    assert (await people.bob.get(f"{path}/versions/1")).status_code == 200
    assert await listens(stack, people.bob, f"agents/{agent}/versions/1") == 200
    assert (await people.bob.post("/runs", json={"agent_id": agent, "input": "hello"})).status_code == 403
    await share(people, agent, permission="run", constraints={"max_runs": 2})
    shared = (await people.bob.get("/agents/shared")).json()["items"]
    assert [(one["id"], one["permission"]) for one in shared] == [(agent, "run")]
    run = await run_to_end(people.bob, agent_id=agent, input="hello")
    assert (run["state"], run["owner_uid"]) == ("succeeded", await uid_of(people.bob))
    assert (await people.ada.get(f"/runs/{run['id']}")).status_code == 404
    again = await people.bob.post("/runs", json={"session_id": run["session_id"], "input": "again"})
    assert again.status_code == 202
    used_up = await people.bob.post("/runs", json={"agent_id": agent, "input": "more"})
    assert (used_up.status_code, used_up.json()["code"]) == (403, "grant_used_up")
    assert (await people.bob.put(path, content=HELPER, headers=YAML)).status_code == 403
    (grant,) = (await people.ada.get(f"{path}/grants")).json()["items"]
    assert (grant["permission"], grant["runs_used"], grant["granted_by"]) == ("run", 2, await uid_of(people.ada))
    assert (await people.ada.delete(f"{path}/grants/{grant['grantee_uid']}")).status_code == 204
    assert (await people.bob.get(path)).status_code == 404
    assert await listens(stack, people.bob, f"agents/{agent}") == 403
    assert await permissions_told(people.ada, path) == [("run", None), ("view", "run"), (None, "view")]
    message = f"/sessions/{run['session_id']}/messages"
    assert (await people.bob.post(message, json={"input": "still?", "stream": False})).status_code == 404
    assert (await people.bob.get(f"/sessions/{run['session_id']}/history")).status_code == 200


async def test_a_grant_starts_nothing_more_once_its_day_is_spent(stack: Stack, people: People) -> None:
    model = {"provider": "local", "model": "scripted", "usd_micros_per_token": 7, "script": [{"chunks": ["hello"]}]}
    made = await people.ada.post("/agents", json={"name": "helper", "model": model})
    agent, asked = str(made.json()["id"]), {"input": "hello"}
    grant = f"agents/{agent}/grants/{await uid_of(people.bob)}"
    await share(people, agent, permission="run", constraints={"max_cost_usd_micros_per_day": 10_000_000})
    run = await run_to_end(people.bob, agent_id=agent, **asked)
    cost = run["usage"]["cost_usd_micros"]
    assert (run["state"], cost > 0) == ("succeeded", True)
    day = await listens(stack, people.ada, f"{grant}/days/{run['completed_at'][:10]}")
    assert (day, await listens(stack, people.bob, f"{grant}/days/{run['completed_at'][:10]}")) == (200, 403)
    await share(people, agent, permission="run", constraints={"max_cost_usd_micros_per_day": cost})
    refused = await people.bob.post("/runs", json={"agent_id": agent, **asked})
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600
    await share(people, agent, permission="run", constraints={"max_cost_usd_micros_per_day": 2 * cost - 1})
    stopped = await run_to_end(people.bob, agent_id=agent, **asked)
    assert (stopped["state"], stopped["error"]["code"], stopped["usage"]["requests"]) == ("failed", "quota_exceeded", 0)


async def test_a_grant_ends_at_its_instant(stack: Stack, people: People) -> None:
    agent = await make_agent(people.ada, HELPER)
    await share(people, agent, permission="run")
    assert (await people.bob.get(f"/agents/{agent}")).status_code == 200
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    await share(people, agent, permission="run", constraints={"expires_at": soon})

    async def ended() -> bool:
        return (await people.bob.get(f"/agents/{agent}")).status_code == 404

    await until(ended)
    assert datetime.now(UTC).isoformat() >= soon
    assert (await people.bob.post("/runs", json={"agent_id": agent, "input": "hello"})).status_code == 404
    assert await listens(stack, people.bob, f"agents/{agent}") == 403
    assert (await people.bob.get("/agents/shared")).json()["items"] == []
    (grant,) = (await people.ada.get(f"/agents/{agent}/grants")).json()["items"]
    assert datetime.fromisoformat(grant["constraints"]["expires_at"]) == datetime.fromisoformat(soon)


async def test_an_agent_for_everyone_is_for_all_who_sign_in(api: httpx.AsyncClient, people: People) -> None:
    agent = await make_agent(people.ada, HELPER)
    everyone = {"grantee": "everyone", "permission": "run"}
    assert (await people.ada.post(f"/agents/{agent}/grants", json=everyone)).status_code == 201
    assert (await run_to_end(people.eve, agent_id=agent, input="hello"))["state"] == "succeeded"
    assert (await api.get(f"/agents/{agent}")).status_code == 401
    assert (await people.ada.delete(f"/agents/{agent}/grants/everyone")).status_code == 204
    assert (await people.eve.post("/runs", json={"agent_id": agent, "input": "hello"})).status_code == 404


async def test_an_address_counts_only_once_it_is_proved(people: People) -> None:
    agent = await make_agent(people.ada, HELPER)
    email = (await people.bob.get("/users/me")).json()["email"]
    answer = await people.ada.post(f"/agents/{agent}/grants", json={"grantee": email, "permission": "view"})
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (400, "grantee")


async def test_a_conversation_is_shared_to_read_and_taken_back(stack: Stack, people: People) -> None:
    run = await run_to_end(people.ada, agent_id=await make_agent(people.ada, HELPER), input="hello")
    session, of_bob = run["session_id"], await uid_of(people.bob)
    documents = [f"sessions/{session}", f"sessions/{session}/events/000000000001", f"runs/{run['id']}"]
    documents.append(f"runs/{run['id']}/nodes/main~0")
    shared = await people.ada.post(f"/sessions/{session}/readers", json={"reader": await username_of(people.bob)})
    assert (shared.status_code, shared.json()["uid"]) == (201, of_bob)
    for path in (f"/sessions/{session}", f"/sessions/{session}/history", f"/runs/{run['id']}"):
        assert (await people.bob.get(path)).status_code == 200
        assert (await people.eve.get(path)).status_code == 404
    assert [await listens(stack, people.bob, path) for path in documents] == [200] * 4
    assert [one["id"] for one in (await people.bob.get("/sessions?shared=true")).json()["items"]] == [session]
    assert (await people.bob.post("/runs", json={"session_id": session, "input": "me too"})).status_code == 403
    assert (await people.bob.post(f"/runs/{run['id']}/cancel")).status_code == 403
    assert (await people.ada.delete(f"/sessions/{session}/readers/{of_bob}")).status_code == 204
    assert (await people.bob.get(f"/sessions/{session}")).status_code == 404
    assert [await listens(stack, people.bob, path) for path in documents] == [403] * 4


def echo(asked: Asked) -> Told:
    """What a debugging service does: it tells everything that it was sent, plainly and encoded."""
    token = asked.headers["x-token"]
    coded = base64.b64encode(f"user:{token}".encode()).decode()
    return Told.of_json({"headers": dict(asked.headers), "basic": coded, token: [token]})


def sending(port: int) -> dict[str, Any]:
    tool = {
        "name": "send",
        "description": "Send something.",
        "url": f"http://127.0.0.1:{port}/send",
        "headers": {"X-Token": {"secret": "service.token"}},
    }
    calls: list[dict[str, Any]] = [{"when": "", "calls": [{"name": "send", "arguments": {}}], "chunks": ["sent"]}]
    return {
        "name": "sender",
        "model": {"provider": "local", "model": "scripted", "script": calls},
        "tools": ["send"],
        "http_tools": [tool],
    }


async def test_a_secret_is_sent_where_its_owner_wants_it_and_shown_nowhere(
    stack: Stack, people: People, site_port: int
) -> None:
    seen: list[str] = []

    async def ask(person: httpx.AsyncClient, method: str, path: str, status: int, **kwargs: Any) -> httpx.Response:
        answer = await person.request(method, path, **kwargs)
        assert answer.status_code == status, answer.text
        seen.append(f"{answer.headers} {answer.text}")
        return answer

    await ask(people.ada, "PUT", "/secrets/service.token", 201, json={"value": CANARY})
    await ask(people.ada, "GET", "/secrets", 200)
    agent = (await ask(people.ada, "POST", "/agents", 201, json=sending(site_port))).json()["id"]
    await share(people, agent, permission="run")
    async with site_of({"/send": echo}, site_port) as site:
        run = await run_to_end(people.bob, agent_id=agent, input="send it")
        assert run["state"] == "succeeded", run
        turn = {"input": "again", "stream": True}
        await ask(people.bob, "POST", f"/sessions/{run['session_id']}/messages", 200, json=turn)
        assert [asked.headers["x-token"] for asked in site.asked] == [CANARY, CANARY]
        assert shows(echo(site.asked[0]).body.decode())
    for path in (
        f"/runs/{run['id']}",
        f"/runs/{run['id']}/nodes",
        f"/sessions/{run['session_id']}/history",
        f"/sessions/{run['session_id']}/events",
        f"/agents/{agent}",
        f"/agents/{agent}/versions/1",
        f"/agents/{agent}/export",
    ):
        await ask(people.bob, "GET", path, 200)
    clone = (await ask(people.bob, "POST", f"/agents/{agent}/clone", 201)).json()["id"]
    await ask(people.bob, "GET", f"/agents/{clone}/export", 200)
    own = await run_to_end(people.bob, agent_id=clone, input="send it with mine")
    told = (await ask(people.bob, "GET", f"/sessions/{own['session_id']}/history", 200)).text
    assert "has not stored the secret" in told
    assert "[secret]" in "".join(seen)
    assert len(site.asked) == 2
    await ask(people.bob, "DELETE", "/secrets/service.token", 404)

    places = {"answers": seen, "documents": await every_document(stack), "logs": logs(stack), "files": files(stack)}
    assert {place for place, texts in places.items() if not texts} == set()
    assert {place for place, texts in places.items() if any(shows(text) for text in texts)} == set()
    await ask(people.ada, "DELETE", "/secrets/service.token", 204)


def shows(text: str) -> bool:
    """Whether the canary is in a text, plainly or encoded."""
    forms = [CANARY, json.dumps(CANARY)[1:-1], json.dumps(json.dumps(CANARY)[1:-1])[1:-1], CANARY.encode().hex()]
    forms += [base64.b64encode(b"user:" + CANARY.encode()).decode()[8:20], "canary"]
    return any(form in text for form in forms)


def logs(stack: Stack) -> list[str]:
    return [path.read_text("utf-8", "replace") for path in sorted(stack.settings.logs.rglob("*")) if path.is_file()]


def files(stack: Stack) -> list[str]:
    found: list[Path] = sorted(stack.settings.secrets_folder.iterdir())
    return [path.read_bytes().decode("latin-1") for path in found]


async def every_document(stack: Stack) -> list[str]:
    """Every document of the project, as the administrator of the emulator sees it."""
    host = stack.settings.ports.emulators.environment["FIRESTORE_EMULATOR_HOST"]
    root = f"/v1/projects/{stack.settings.project}/databases/(default)/documents"
    query = {"structuredQuery": {"from": [{"allDescendants": True}]}}
    headers = {"Authorization": "Bearer owner"}
    async with httpx.AsyncClient(base_url=f"http://{host}", trust_env=False, headers=headers, timeout=60) as client:
        answer = await client.post(f"{root}:runQuery", json=query)
    assert answer.status_code == 200, answer.text
    return [json.dumps(item["document"], ensure_ascii=False) for item in answer.json() if "document" in item]
