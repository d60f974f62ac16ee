"""What becomes of a request to a busy session: each route that starts a run does with it what `if_busy` says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from functions.chat.routes import message_routes
from functions.runs.control import control_routes
from functions.runs.routes import run_reading_routes, run_routes
from functions.runs.sessions import session_routes
from functions.runs.workflows import workflow_routes
from shared.adapters.cel.conditions import CelConditions
from shared.domain.allowed_models import AllowedModels
from shared.edge.app import create_app
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, EngineRig
from tests.unit.functions.test_runs_routes import NamesAsTokens, as_

ROUTES: dict[str, dict[str, Any]] = {
    "/runs": {"session_id": "SESSION", "input": "more"},
    "/agents/AGENT/execute": {"session_id": "SESSION", "input": "more"},
    "/workflows/single": {"agent_id": "AGENT", "session_id": "SESSION", "input": "more"},
    "/runs/ENDED/retry": {},
    "/runs/ENDED/replay": {"from": "main"},
    "/sessions/SESSION/messages": {"input": "more", "stream": False},
}


@dataclass
class Busy:
    """A session with one run that was cancelled, and another that is active: its task is in the queue."""

    rig: EngineRig
    client: httpx.AsyncClient
    names: Mapping[str, str]

    async def ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Send a request, and deliver no task before it is stored and has done what it does to the active run."""
        named = {key: self.names.get(value, value) for key, value in body.items()}
        for name, value in self.names.items():
            path = path.replace(name, value)
        asking = asyncio.ensure_future(self.client.post(path, json=named))
        while not asking.done() and not await self._is_told(interrupts=body.get("if_busy") == "interrupt"):
            await self.rig.clock.advance(0.01)
        while not asking.done() or self.rig.queue.pending:
            await self.rig.queue.deliver_next(self.rig.deliver)
            await self.rig.clock.advance(0.01)
        return await asking

    async def _is_told(self, *, interrupts: bool) -> bool:
        """Whether the log waits for another run, or the active one is to stop."""
        return (await self.run(self.names["ACTIVE"]))["cancel_requested"] if interrupts else len(await self.runs()) > 2

    async def run(self, run_id: str) -> dict[str, Any]:
        return (await self.client.get(f"/runs/{run_id}")).json()

    async def runs(self) -> list[str]:
        """The session's runs."""
        found = await self.client.get("/runs", params={"session_id": self.names["SESSION"]})
        return [run["id"] for run in found.json()["items"]]

    async def speakers(self) -> list[str]:
        """The runs in the order in which they spoke in the session, each once."""
        found = await self.client.get(f"/sessions/{self.names['SESSION']}/history", params={"limit": 100})
        return list(dict.fromkeys(event["run_id"] for event in found.json()["items"]))


@pytest.fixture
async def busy() -> AsyncIterator[Busy]:
    rig = EngineRig()
    core = rig.core
    agent = await rig.make_agent()
    ended = (await rig.start(agent)).run
    await cancel_run(core, ANN, ended.id)
    await rig.drain()
    active = (await rig.start(session_id=ended.session_id)).run
    names = {"AGENT": agent, "SESSION": ended.session_id, "ENDED": ended.id, "ACTIVE": active.id}
    app = create_app("everything", verifier=NamesAsTokens())
    of_runs = (run_routes(core), run_reading_routes(core.documents), control_routes(core), session_routes(core))
    for routes in (*of_runs, workflow_routes(core, AllowedModels(), CelConditions()), message_routes(rig.engine())):
        app.include_router(routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=as_("ann")) as it:
        yield Busy(rig, it, names)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("asked", [{}, {"if_busy": "reject"}])
async def test_a_busy_session_refuses_and_the_active_run_goes_on(busy: Busy, asked: dict[str, str], route: str) -> None:
    refusal = await busy.ask(route, ROUTES[route] | asked)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "session_busy")
    assert (await busy.run(busy.names["ACTIVE"]))["state"] == "succeeded"
    assert await busy.speakers() == [busy.names["ENDED"], busy.names["ACTIVE"]]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("if_busy", "end_of_active"), [("enqueue", "succeeded"), ("interrupt", "cancelled")])
async def test_a_run_that_waits_for_its_session_or_interrupts_it_speaks_next(
    busy: Busy, if_busy: str, end_of_active: str, route: str
) -> None:
    answer = await busy.ask(route, ROUTES[route] | {"if_busy": if_busy})
    assert answer.is_success, answer.text
    run_id = answer.json()["run_id" if route.endswith("/messages") else "id"]
    assert (await busy.run(busy.names["ACTIVE"]))["state"] == end_of_active
    assert (await busy.run(run_id))["state"] == "succeeded"
    assert await busy.speakers() == [busy.names["ENDED"], busy.names["ACTIVE"], run_id]


async def test_no_answer_is_made_again_while_another_is_made(busy: Busy) -> None:
    refusal = await busy.ask("/sessions/SESSION/regenerate", {})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "session_busy")
    assert await busy.speakers() == [busy.names["ENDED"], busy.names["ACTIVE"]]
