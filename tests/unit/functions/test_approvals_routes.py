"""Approvals over HTTP, on the engine in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from functions.runs.approvals import approval_routes
from functions.runs.routes import run_reading_routes
from shared.edge.app import create_app
from shared.usecases.approvals.expire_approvals import expire_approvals
from tests.support.engine_rig import EngineRig
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.unit.functions.test_runs_routes import NamesAsTokens, as_

CALL = Step((), (("echo", {"value": 1}), ("ask_human", {"question": "Which?", "choices": ["a", "b"]})))
TOOLS: list[Any] = [{"name": "echo", "requires_approval": True}, {"name": "ask_human", "config": {"asked": ["bob"]}}]


@dataclass
class Office:
    rig: EngineRig
    client: httpx.AsyncClient
    run_id: str

    async def get(self, path: str, who: str = "ann") -> Any:
        answer = await self.client.get(path, headers=as_(who))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, who: str = "ann") -> httpx.Response:
        return await self.client.post(path, json=body, headers=as_(who))

    async def only(self, who: str) -> str:
        """The one thing that somebody is asked."""
        (item,) = (await self.get("/approvals?state=pending", who))["items"]
        return item["id"]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    rig = EngineRig(ScriptedRunner(lambda _: (CALL, Step(("done",)))))
    started = await rig.start(await rig.make_agent(tools=TOOLS))
    await rig.drain()
    app = create_app("runs", verifier=NamesAsTokens())
    for routes in (approval_routes(rig.core), run_reading_routes(rig.documents)):
        app.include_router(routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield Office(rig, client, started.run.id)


async def test_each_finds_in_the_inbox_what_they_are_asked(office: Office) -> None:
    for who, kind, arguments in (
        ("ann", "tool_call", {"value": 1}),
        ("bob", "question", {"question": "Which?", "choices": ["a", "b"]}),
    ):
        (item,) = (await office.get("/approvals", who))["items"]
        assert (item["kind"], item["arguments"], item["state"]) == (kind, arguments, "pending")
        assert await office.get(f"/approvals/{item['id']}", who) == item
        assert (await office.get("/approvals/count", who))["count"] == 1


async def test_the_node_and_the_run_show_that_they_wait(office: Office) -> None:
    assert (await office.get(f"/runs/{office.run_id}"))["state"] == "waiting"
    (node,) = (await office.get(f"/runs/{office.run_id}/nodes"))["items"]
    assert (node["state"], len(node["waits_for"])) == ("waiting", 2)


async def test_the_run_goes_on_once_all_have_answered(office: Office) -> None:
    approved = await office.post(f"/approvals/{await office.only('ann')}/approve", {"arguments": {"value": 2}})
    answered = await office.post(f"/approvals/{await office.only('bob')}/answer", {"answer": "b"}, "bob")
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    assert (answered.json()["answer"], answered.json()["decided_by"]) == ("b", "bob")
    await office.rig.drain()
    assert (await office.get(f"/runs/{office.run_id}"))["output"] == "done"
    assert (await office.get("/approvals?state=pending"))["items"] == []


async def test_a_second_opinion_is_refused_and_the_same_one_is_not(office: Office) -> None:
    path = f"/approvals/{await office.only('ann')}"
    first = await office.post(f"{path}/deny", {"reason": "no"})
    assert (await office.post(f"{path}/deny", {"reason": "no"})).json() == first.json()
    refused = await office.post(f"{path}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_decided")


@pytest.mark.parametrize("verb", ["approve", "deny", "answer"])
async def test_what_others_are_asked_is_not_there(office: Office, verb: str) -> None:
    path = f"/approvals/{await office.only('bob')}"
    body = {"answer": 1} if verb == "answer" else None
    assert (await office.post(f"{path}/{verb}", body)).status_code == 404
    assert (await office.client.get(path, headers=as_("ann"))).status_code == 404
    assert (await office.post("/approvals/none/approve")).status_code == 404
    assert (await office.client.post(f"{path}/{verb}")).status_code == 401


async def test_what_does_not_fit_is_refused(office: Office) -> None:
    path = f"/approvals/{await office.only('ann')}"
    assert (await office.post(f"{path}/answer", {"answer": 1})).status_code == 400
    assert (await office.post(f"{path}/answer", {})).status_code == 400
    assert (await office.post(f"{path}/approve", {"argument": {}})).status_code == 400


async def test_the_sweeper_ends_what_nobody_answers(office: Office) -> None:
    await office.rig.clock.advance(8 * 24 * 3600)
    assert await expire_approvals(office.rig.core) == 2
    await office.rig.drain()
    assert (await office.get(f"/runs/{office.run_id}"))["state"] == "succeeded"
