"""The page about automation: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from functions.agents.routes import making_routes
from functions.runs.dead_letters import dead_letter_routes
from functions.runs.routes import run_routes
from functions.runs.schedules import schedule_control_routes, schedule_routes
from functions.runs.webhooks import delivery_log_routes, webhook_routes
from shared.adapters.memory.clock import MemoryClock
from shared.composition.schedules import connect_planner
from shared.domain.facts import FACTS, Fact
from shared.domain.records import parse
from shared.domain.secrets import SecretText
from shared.edge.app import create_app
from shared.edge.routes import find_deployable
from shared.ports.documents import Query
from shared.usecases.agents.shelf import Shelf
from shared.usecases.dead_letters.settle_dead_letter import Undertaker
from tests.support.executed_pages import Example, differences, examples, field_of, request_of
from tests.support.hooks_rig import HooksRig, signed_with
from tests.unit.functions.test_runs_routes import NamesAsTokens, as_

PAGE = Path(__file__).parents[3] / "docs" / "automation.md"


@pytest.fixture
def here() -> HooksRig:
    return HooksRig()


@pytest.fixture
async def client(here: HooksRig) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("everything", verifier=NamesAsTokens())
    planner, desk = connect_planner(here.core), here.desk()
    for routes in (
        making_routes(Shelf(here.rig.documents, here.rig.clock, here.rig.ids)),
        run_routes(here.core),
        schedule_routes(planner),
        schedule_control_routes(planner),
        webhook_routes(desk),
        delivery_log_routes(desk),
        dead_letter_routes(Undertaker(here.core, desk)),
    ):
        app.include_router(routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=as_("ann")) as it:
        yield it


async def settle(here: HooksRig) -> None:
    """Let everything come to its end that a request has set off."""
    await here.rig.drain()
    for found in await here.rig.documents.query(Query(FACTS)):
        await here.hear(parse(Fact, found.fields or {}))
    await here.drain()


async def send(here: HooksRig, client: httpx.AsyncClient, example: Example, names: dict[str, str]) -> None:
    asked = request_of(example, names)
    assert find_deployable(asked.path) is not None
    here.rig.clock.jump(1)
    answer = await client.request(asked.method, asked.path, headers=asked.headers, content=asked.body)
    status, *kept = example.facts.split()
    assert answer.status_code == int(status), f"{asked.line}: {answer.text}"
    assert differences(json.loads(example.shown), answer.json(), asked.line) == []
    for one in kept:
        name, _, field = one.partition("=")
        names[name] = field_of(answer.json(), field)
    await settle(here)


async def test_the_page_shows_what_happens(here: HooksRig, client: httpx.AsyncClient) -> None:
    names: dict[str, str] = {}
    for example in examples(PAGE):
        await send(here, client, example, names)
    assert {"agent", "schedule", "run", "webhook", "secret", "delivery"} <= names.keys()
    assert [signed_with(SecretText(names["secret"]), request) for request in here.web.sent] == [True, True]


@pytest.mark.parametrize(("minutes_ago", "read"), [(0, "msg_factf: run.succeeded f"), (6, None)])
async def test_the_receiver_on_the_page_reads_what_is_sent_and_refuses_what_is_old(
    minutes_ago: int, read: str | None
) -> None:
    here = HooksRig(MemoryClock(datetime.now(UTC) - timedelta(minutes=minutes_ago)))
    _, secret = await here.webhook()
    await here.hear(await here.happen("f"))
    await here.drain()
    (request,) = here.web.sent
    (code,) = re.findall(r"^~~~python\n(.*?)^~~~$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102 - the page is ours
    received = (request.body, dict(request.headers), secret.reveal())
    if read is not None:
        assert page["receive"](*received) == read
        return
    with pytest.raises(WebhookVerificationError, match="too old"):
        page["receive"](*received)


def test_the_page_names_every_route_and_every_kind() -> None:
    text = PAGE.read_text("utf-8")
    for said in ("/pause", "/resume", "/run-now", "/history", "/redeliver", "/rotate-secret", "/requeue", "/discard"):
        assert said in text
    for kind in ("`delivery`", "`fact`", "`run`", "`ingestion`"):
        assert f"| {kind} |" in text
