"""Budgets and quotas through the API: who may start no more is told when, and a run stops before it costs too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from scripts.local.environment import PROJECT
from scripts.local.processes import HOST
from scripts.local.stack import Stack
from tests.e2e.test_auth import Emulator, administrator_token, bearing
from tests.support.people import sign_up
from tests.support.polling import comes_to, until

PRICE = 7
SCRIPTED = {"provider": "local", "model": "scripted", "usd_micros_per_token": PRICE, "max_tokens": 20}
MAP: dict[str, Any] = {
    "list": {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1 + 1"}},
    "each": {
        "kind": "map",
        "over": "{{ input.items }}",
        "max_parallel": 3,
        "body": {"kind": "agent", "prompt": "word {{ item }}", "tools": []},
    },
}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


@pytest.fixture
async def administrator(api: httpx.AsyncClient, stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    base = f"http://{HOST}:{stack.settings.ports.emulators.auth}"
    async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
        headers = bearing(await administrator_token(api, Emulator(http, PROJECT)))
    async with httpx.AsyncClient(base_url=api.base_url, timeout=60, trust_env=False, headers=headers) as client:
        yield client


@pytest.fixture
async def one_day() -> None:
    """Quotas are of a day of UTC: near its end wait for the next, so that a test sees only one."""

    async def has_begun() -> bool:
        now = datetime.now(UTC)
        return (now + timedelta(minutes=4)).date() == now.date()

    await until(has_begun)


async def uid_of(client: httpx.AsyncClient) -> str:
    return str((await client.get("/auth/me")).json()["uid"])


async def make(client: httpx.AsyncClient, **definition: Any) -> str:
    script = [{"chunks": ["word "], "repeat": 16}]
    made = await client.post("/agents", json={"name": "frugal", "model": {**SCRIPTED, "script": script}, **definition})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def start(client: httpx.AsyncClient, agent: str, **body: Any) -> httpx.Response:
    return await client.post(
        "/runs", json={"agent_id": agent, "input": {"text": "go", "items": list(range(9))}, **body}
    )


async def document(stack: Stack, client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """A document, read as a browser would: with the person's own token, past the API."""
    store = f"http://{HOST}:{stack.settings.ports.emulators.firestore}"
    url = f"{store}/v1/projects/{PROJECT}/databases/(default)/documents/{path}"
    async with httpx.AsyncClient(timeout=60, trust_env=False, headers=client.headers) as browser:
        answer = await browser.get(url)
    assert answer.status_code == 200, answer.text
    fields: dict[str, Any] = answer.json()["fields"]
    return fields


async def test_a_run_stops_before_it_costs_more_than_its_budget(ada: httpx.AsyncClient, stack: Stack) -> None:
    agent = await make(ada, type="graph", graph={"nodes": MAP}, tools=["calculator"], budget={"calls": 50})
    whole = await comes_to(ada, (await start(ada, agent)).json(), "succeeded", "failed")
    assert whole["state"] == "succeeded"
    cost = whole["usage"]["cost_usd_micros"]
    assert cost == PRICE * (whole["usage"]["input_tokens"] + whole["usage"]["output_tokens"]) > 0

    most = cost // 2
    stopped = (await start(ada, agent, budget={"cost_usd_micros": most})).json()
    run = await comes_to(ada, stopped, "succeeded", "failed")
    assert (run["state"], run["error"]["code"]) == ("failed", "budget_exceeded")
    assert 0 < run["usage"]["cost_usd_micros"] <= most
    nodes = (await ada.get(f"/runs/{run['id']}/nodes", params={"limit": 100})).json()["items"]
    items = [node["state"] for node in nodes if node["index"] is not None]
    assert set(items) == {"succeeded", "failed"}
    ledger = await document(stack, ada, f"runs/{run['id']}/ledgers/budget")
    assert ledger["granted_cost_usd_micros"] == ledger["cost_usd_micros"]
    assert int(ledger["cost_usd_micros"]["integerValue"]) <= most


async def test_a_kept_agents_budget_holds_in_anothers_graph(ada: httpx.AsyncClient, stack: Stack) -> None:
    kept = await make(ada, name="kept", type="graph", graph={"nodes": MAP}, tools=["calculator"], budget={"calls": 4})
    nodes: dict[str, Any] = {
        "in": {"kind": "agent", "agent": {"id": kept}},
        "own": {"kind": "agent", "prompt": "word", "tools": [], "after": ["in.failed"]},
    }
    agent = await make(ada, type="graph", graph={"nodes": nodes})
    run = await comes_to(ada, (await start(ada, agent, budget={"calls": 9})).json(), "succeeded", "failed")
    assert (run["state"], run["usage"]["requests"]) == ("succeeded", 4 + 1), run["error"]
    found = (await ada.get(f"/runs/{run['id']}/nodes", params={"limit": 100})).json()["items"]
    (inner,) = [node for node in found if node["node"] == "in"]
    assert (inner["state"], inner["error"]["code"]) == ("failed", "budget_exceeded")
    own, whole = [await document(stack, ada, f"runs/{run['id']}/ledgers/{name}") for name in ("in~0", "budget")]
    for ledger, calls in ((own, "4"), (whole, "5")):
        assert (ledger["calls"]["integerValue"], ledger["granted_calls"]["integerValue"]) == (calls, calls)


@pytest.mark.usefixtures("one_day")
async def test_who_has_used_up_their_quota_is_told_when_to_come_again(
    ada: httpx.AsyncClient, administrator: httpx.AsyncClient, stack: Stack
) -> None:
    uid, agent = await uid_of(ada), await make(ada)
    quota = {"runs_per_day": 5, "runs_per_minute": 2, "calls_per_day": 4}
    assert (await ada.put(f"/users/{uid}/quota", json=quota)).status_code == 403
    kept = await administrator.put(f"/users/{uid}/quota", json=quota)
    assert (kept.status_code, kept.json()["runs_per_minute"], kept.json()["tokens_per_day"]) == (200, 2, None)

    # At once, since a minute is short: how long the runs take does not matter then.
    started = [await start(ada, agent) for _ in range(2)]
    refused = await start(ada, agent)
    minute = (await ada.get("/users/me/usage")).json()["runs_per_minute"]
    assert [answer.status_code for answer in started] == [202, 202]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_runs")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert (minute["limit"], minute["used"]) == (2, 2)

    for answer in started:
        assert (await comes_to(ada, answer.json(), "succeeded", "failed"))["state"] == "succeeded"
    usage = (await ada.get("/users/me/usage")).json()
    assert (usage["runs"]["limit"], usage["runs"]["used"]) == (5, 2)
    assert (usage["calls"]["limit"], usage["calls"]["used"], usage["calls"]["held"]) == (4, 2, 0)
    assert usage["concurrent_runs"]["used"] == 0
    assert (await administrator.get(f"/users/{uid}/usage")).json()["calls"] == usage["calls"]
    standing = await document(stack, ada, f"usage/{uid}")
    assert standing["runs_per_minute"]["mapValue"]["fields"]["used"]["integerValue"] == "2"
    today = await document(stack, ada, f"usage/{uid}/days/{usage['day']}")
    assert (today["calls"]["integerValue"], today["limit_calls"]["integerValue"]) == ("2", "4")


@pytest.mark.usefixtures("one_day")
async def test_a_day_that_is_used_up_stops_a_run_and_refuses_the_next(
    ada: httpx.AsyncClient, administrator: httpx.AsyncClient
) -> None:
    uid = await uid_of(ada)
    agent = await make(ada, type="graph", graph={"nodes": MAP}, tools=["calculator"])
    await administrator.put(f"/users/{uid}/quota", json={"calls_per_day": 4})
    run = await comes_to(ada, (await start(ada, agent)).json(), "succeeded", "failed")
    assert (run["state"], run["error"]["code"], run["usage"]["requests"]) == ("failed", "quota_exceeded", 4)
    refused = await start(ada, agent)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert int(refused.headers["Retry-After"]) > 0
