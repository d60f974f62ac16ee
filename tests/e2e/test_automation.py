"""Schedules and webhooks, end to end: over HTTP, Pub/Sub, the queues and the sweeper, on the staged stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from scripts.local.schedule import sweep
from scripts.local.stack import Stack
from tests.support.http_sites import Asked, Site, Told, site_of
from tests.support.people import sign_up
from tests.support.polling import reaches, until
from tests.support.stack import killed

Answer = TypeVar("Answer")
AGENT = {"name": "reporter", "model": "local:extractive"}


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, signed in as somebody new."""
    async with sign_up(api) as client:
        yield client


@pytest.fixture
async def receiver(site_port: int) -> AsyncIterator[Site]:
    """Somebody's server."""
    async with site_of({"/hooks": Told(b"thanks")}, site_port) as site:
        yield site


@pytest.fixture
async def agent(ada: httpx.AsyncClient) -> str:
    made = await ada.post("/agents", json=AGENT)
    assert made.status_code == 201, made.text
    return made.json()["id"]


async def told(stack: Stack, ask: Callable[[], Awaitable[Answer | None]]) -> Answer:
    """What `ask` comes to, once it is something, while the sweeper looks for what was lost on the way."""

    async def swept() -> Answer | None:
        assert (await sweep(stack.settings)).is_success
        return await ask()

    return await until(swept)


async def run(client: httpx.AsyncClient, agent: str) -> str:
    started = await client.post("/runs", json={"agent_id": agent, "input": "What is hot? The forge is hot."})
    assert started.status_code == 202, started.text
    return started.json()["id"]


async def hook(client: httpx.AsyncClient, receiver: Site, **fields: Any) -> dict[str, Any]:
    made = await client.post("/webhooks", json={"url": receiver.url("/hooks"), **fields})
    assert made.status_code == 201, made.text
    return made.json()


async def test_the_end_of_a_run_reaches_a_webhook_signed(
    ada: httpx.AsyncClient, agent: str, receiver: Site, stack: Stack
) -> None:
    webhook = await hook(ada, receiver)
    run_id = await run(ada, agent)
    (asked,) = await told(stack, lambda: _asked(receiver, 1))
    read = Verifier(webhook["secret"]).verify(asked.body, dict(asked.headers))
    assert (read["type"], read["data"]["run_id"], read["data"]["state"]) == ("run.succeeded", run_id, "succeeded")
    shown = (await ada.get(f"/webhooks/{webhook['id']}")).json()
    assert "secret" not in shown
    (delivery,) = await told(stack, lambda: _deliveries(ada, webhook, "succeeded"))
    assert (delivery["message_id"], delivery["payload"]) == (asked.headers["webhook-id"], read)
    (attempt,) = delivery["attempts"]
    assert (attempt["status"], attempt["snippet"], attempt["error"]) == (200, "thanks", None)


async def _asked(site: Site, count: int) -> list[Asked]:
    return site.asked if len(site.asked) >= count else []


async def _deliveries(client: httpx.AsyncClient, webhook: dict[str, Any], state: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/webhooks/{webhook['id']}/deliveries", params={"state": state})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_a_receiver_that_fails_is_asked_again_with_the_same_id_and_can_be_asked_once_more(
    ada: httpx.AsyncClient, agent: str, receiver: Site, stack: Stack
) -> None:
    receiver.answers["/hooks"] = Told(b"not today", 503)
    webhook = await hook(ada, receiver)
    await run(ada, agent)
    await told(stack, lambda: _asked(receiver, 1))
    # Only the sweeper tries again, and it does not look before the receiver is well.
    (pending,) = await until(lambda: _deliveries(ada, webhook, "pending"))
    receiver.answers["/hooks"] = Told(b"thanks")
    (delivery,) = await told(stack, lambda: _deliveries(ada, webhook, "succeeded"))
    assert delivery["id"] == pending["id"]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [503, 200]
    again = await ada.post(f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}/redeliver")
    assert again.status_code == 202, again.text
    await told(stack, lambda: _asked(receiver, 3))
    assert len({asked.headers["webhook-id"] for asked in receiver.asked}) == 1
    assert len({asked.body for asked in receiver.asked}) == 1


async def test_what_a_receiver_refuses_for_good_is_a_dead_letter_that_can_be_requeued_or_discarded(
    ada: httpx.AsyncClient, agent: str, receiver: Site, stack: Stack
) -> None:
    receiver.answers["/hooks"] = Told(b"gone", 410)
    webhook = await hook(ada, receiver)
    await run(ada, agent)

    async def letters() -> list[dict[str, Any]]:
        return (await ada.get("/dead-letters")).json()["items"]

    (letter,) = await told(stack, letters)
    assert (letter["kind"], letter["reason"]) == ("delivery", "the receiver answered 410")
    assert letter["subject"]["webhook_id"] == webhook["id"]
    assert (await ada.get("/dead-letters", params={"of_everyone": True})).status_code == 403

    async def disabled() -> bool:
        return not (await ada.get(f"/webhooks/{webhook['id']}")).json()["is_enabled"]

    await told(stack, disabled)
    refused = await ada.post(f"/dead-letters/{letter['id']}/requeue")
    assert (refused.status_code, refused.json()["code"]) == (400, "failed_precondition")
    receiver.answers["/hooks"] = Told(b"thanks")
    enabled = await ada.put(f"/webhooks/{webhook['id']}", json={"url": webhook["url"], "is_enabled": True})
    assert enabled.status_code == 200, enabled.text
    assert (await ada.post(f"/dead-letters/{letter['id']}/requeue")).status_code == 204
    (delivery,) = await told(stack, lambda: _deliveries(ada, webhook, "succeeded"))
    assert [attempt["status"] for attempt in delivery["attempts"]] == [410, 200]
    assert await letters() == []
    assert (await ada.post(f"/dead-letters/{letter['id']}/discard")).status_code == 404


async def test_a_new_secret_signs_beside_the_old_one(
    ada: httpx.AsyncClient, agent: str, receiver: Site, stack: Stack
) -> None:
    webhook = await hook(ada, receiver, events=["run.succeeded"])
    rotated = (await ada.post(f"/webhooks/{webhook['id']}/rotate-secret")).json()
    await run(ada, agent)
    (asked,) = await told(stack, lambda: _asked(receiver, 1))
    for secret in (webhook["secret"], rotated["secret"]):
        assert Verifier(secret).verify(asked.body, dict(asked.headers))["type"] == "run.succeeded"


async def test_a_webhook_leads_nowhere_private(ada: httpx.AsyncClient, receiver: Site) -> None:
    for url in ("http://example.com/", "https://127.0.0.1/", f"http://127.0.0.1:{receiver.port + 1}/"):
        refused = await ada.post("/webhooks", json={"url": url})
        assert (refused.status_code, [fault["path"] for fault in refused.json()["faults"]]) == (400, ["url"])


async def test_what_happened_while_the_events_function_was_dead_is_told_when_it_is_back(
    ada: httpx.AsyncClient, agent: str, receiver: Site, stack: Stack
) -> None:
    webhook = await hook(ada, receiver)
    async with killed(stack, "events"):
        run_id = await run(ada, agent)
        await reaches(ada, f"/runs/{run_id}", "succeeded")
        assert receiver.asked == []
    (asked,) = await told(stack, lambda: _asked(receiver, 1))
    assert json.loads(asked.body)["data"]["run_id"] == run_id
    assert len(await told(stack, lambda: _deliveries(ada, webhook, "succeeded"))) == 1


async def test_a_schedule_runs_when_the_sweeper_looks_and_once_however_many_look(
    ada: httpx.AsyncClient, agent: str, stack: Stack
) -> None:
    body = {"name": "minutely", "agent_id": agent, "input": "What is hot? The forge.", "cron": "* * * * *"}
    made = await ada.post("/schedules", json={**body, "time_zone": "Europe/Berlin"})
    assert made.status_code == 201, made.text
    path = made.headers["location"]

    async def fired() -> list[dict[str, Any]]:
        answers = await asyncio.gather(*(sweep(stack.settings) for _ in range(3)))
        assert all(answer.is_success for answer in answers)
        return (await ada.get(f"{path}/history")).json()["items"]

    (tick,) = await until(fired)
    assert (tick["state"], tick["cause"], tick["missed"]) == ("started", "cron", 0)
    assert (await ada.get(f"/runs/{tick['run_id']}")).json()["input"] == {"text": "What is hot? The forge."}
    assert len((await ada.get("/runs")).json()["items"]) == 1


async def test_a_paused_schedule_runs_now_on_request(ada: httpx.AsyncClient, agent: str) -> None:
    body = {"name": "daily", "agent_id": agent, "input": "hello", "cron": "0 9 * * *", "is_paused": True}
    made = (await ada.post("/schedules", json=body)).json()
    assert (made["is_paused"], made["next_at"]) == (True, None)
    tick = (await ada.post(f"/schedules/{made['id']}/run-now", headers={"Idempotency-Key": "once"})).json()
    again = (await ada.post(f"/schedules/{made['id']}/run-now", headers={"Idempotency-Key": "once"})).json()
    assert (tick["state"], again) == ("started", tick)
    assert (await ada.get(f"/runs/{tick['run_id']}")).status_code == 200
    resumed = (await ada.post(f"/schedules/{made['id']}/resume")).json()
    assert resumed["next_at"].endswith("09:00:00Z")
    plan = {name: body[name] for name in ("name", "agent_id", "input")}
    wrong = await ada.put(f"/schedules/{made['id']}", json={**plan, "cron": "0 25 * * *", "time_zone": "Nowhere"})
    assert (wrong.status_code, [fault["path"] for fault in wrong.json()["faults"]]) == (400, ["time_zone", "cron"])
    assert (await ada.delete(f"/schedules/{made['id']}")).status_code == 204
    assert (await ada.get(f"/schedules/{made['id']}/history")).status_code == 404
