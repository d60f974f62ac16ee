"""The page about control: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from functions.agents.routes import making_routes
from functions.runs.control import control_routes
from functions.runs.routes import run_reading_routes, run_routes
from functions.runs.sessions import session_routes
from shared.edge.app import create_app
from shared.edge.routes import find_deployable
from shared.usecases.agents.shelf import Shelf
from tests.support.engine_rig import EngineRig
from tests.support.executed_pages import differences, examples, field_of, request_of
from tests.unit.functions.test_runs_routes import NamesAsTokens, as_

PAGE = Path(__file__).parents[3] / "docs" / "control.md"


@pytest.fixture
def rig() -> EngineRig:
    return EngineRig()


@pytest.fixture
async def client(rig: EngineRig) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("everything", verifier=NamesAsTokens())
    shelf = Shelf(rig.documents, rig.clock, rig.ids)
    of_runs = (run_routes(rig.core), run_reading_routes(rig.documents), control_routes(rig.core))
    for routes in (making_routes(shelf), *of_runs, session_routes(rig.core)):
        app.include_router(routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=as_("ann")) as it:
        yield it


async def test_the_page_shows_what_happens(rig: EngineRig, client: httpx.AsyncClient) -> None:
    names: dict[str, str] = {}
    for example in examples(PAGE):
        asked = request_of(example, names)
        assert find_deployable(asked.path) in {"runs", "agents"}
        rig.clock.jump(1)
        answer = await client.request(asked.method, asked.path, headers=asked.headers, content=asked.body)
        status, *kept = example.facts.split()
        assert answer.status_code == int(status), f"{asked.line}: {answer.text}"
        shown = request_of(replace(example, request=f"GET /\n\n{example.shown}"), names).body
        assert differences(json.loads(shown), answer.json(), asked.line) == []
        for one in kept:
            name, _, field = one.partition("=")
            names[name] = field_of(answer.json(), field)
        if not asked.path.endswith("/runs"):  # what was just started is paused first
            await rig.drain()
    assert {"run", "session", "second", "third", "fork"} <= names.keys()
