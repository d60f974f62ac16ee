"""The `events` function over HTTP: who may call it, and what it does with what it is told."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from functions.events.routes import delivery_routes, fact_routes
from shared.domain.errors import Unauthenticated
from shared.domain.webhooks import DeliveryState
from shared.edge.app import create_app
from shared.edge.pushes import admit_tokens_in_addresses
from tests.support.hooks_rig import HooksRig, signed_with

CALLERS = {"Authorization": "Bearer google"}


class GoogleOnly:
    async def verify(self, token: str) -> str:
        if token != "google":
            raise Unauthenticated("This is not the subscription's token.")
        return "facts@demo.iam.gserviceaccount.com"


@pytest.fixture
def here() -> HooksRig:
    return HooksRig()


def app(here: HooksRig, *, local: bool = False) -> httpx.AsyncClient:
    application = create_app("events", task_verifier=GoogleOnly())
    if local:
        admit_tokens_in_addresses(application)
    application.include_router(fact_routes(here.desk()))
    application.include_router(delivery_routes(here.courier()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test")


@pytest.fixture
async def client(here: HooksRig) -> AsyncIterator[httpx.AsyncClient]:
    async with app(here) as client:
        yield client


def push(content: Any) -> dict[str, Any]:
    """As Pub/Sub wraps a message."""
    data = content if isinstance(content, str) else base64.b64encode(json.dumps(content).encode()).decode()
    return {"subscription": "projects/p/subscriptions/events", "message": {"data": data, "messageId": "1"}}


async def test_a_fact_is_heard_and_delivered(here: HooksRig, client: httpx.AsyncClient) -> None:
    _, secret = await here.webhook()
    fact = await here.happen()
    heard = await client.post("/pushes/facts", json=push({"fact_id": fact.id}), headers=CALLERS)
    assert (heard.status_code, heard.json()) == (200, {"status": "heard"})
    again = await client.post("/pushes/facts", json=push({"fact_id": fact.id}), headers=CALLERS)
    assert again.json() == {"status": "known"}
    (task,) = here.queue.accepted
    done = await client.post("/tasks/delivery", json={"delivery_id": task.delivery_id}, headers=CALLERS)
    assert (done.status_code, (await here.only()).state) == (200, DeliveryState.SUCCEEDED)
    assert signed_with(secret, here.web.sent[0])


async def test_what_cannot_be_done_now_is_pushed_again(here: HooksRig, client: httpx.AsyncClient) -> None:
    await here.webhook()
    fact = await here.happen()
    here.queue.fail_next()
    answer = await client.post("/pushes/facts", json=push({"fact_id": fact.id}), headers=CALLERS)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "content", ["%%%", {}, [], {"fact_id": 1}, {"fact_id": "../runs/r"}, {"fact_id": "a" * 65}, {"fact_id": ""}]
)
async def test_a_message_that_names_no_fact_is_dropped_rather_than_pushed_for_ever(
    client: httpx.AsyncClient, content: Any
) -> None:
    answer = await client.post("/pushes/facts", json=push(content), headers=CALLERS)
    assert (answer.status_code, answer.json()) == (200, {"status": "dropped"})


@pytest.mark.parametrize("path", ["/pushes/facts", "/tasks/delivery"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer somebody"}, {"Authorization": "Basic google"}])
async def test_nobody_else_may_call(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    body = push({"fact_id": "one"}) if path == "/pushes/facts" else {"delivery_id": "one"}
    assert (await client.post(path, json=body, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("local", "path", "status"),
    [
        (False, "/pushes/facts?token=google", 401),
        (True, "/pushes/facts?token=google", 200),
        (True, "/pushes/facts?token=somebody", 401),
        (True, "/pushes/facts", 401),
        (True, "/tasks/delivery?token=google", 401),
    ],
)
async def test_a_token_in_the_address_counts_only_beside_emulators_and_only_for_pushes(
    here: HooksRig, path: str, status: int, *, local: bool
) -> None:
    body = push({"fact_id": "one"}) if "facts" in path else {"delivery_id": "one"}
    async with app(here, local=local) as client:
        assert (await client.post(path, json=body)).status_code == status
