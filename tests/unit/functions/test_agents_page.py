"""The page about agents: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.domain.allowed_models import AllowedModels
from shared.edge.routes import find_deployable
from tests.support.archives import files_of
from tests.support.executed_pages import Example, differences, examples, field_of, request_of, unmentioned
from tests.support.in_process import Deployment, deployed
from tests.unit.acl.table import ROWS

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


async def send(here: Deployment, example: Example, names: dict[str, str], files: dict[str, bytes]) -> None:
    asked = request_of(example, names)
    kept_file = files.get(asked.body.strip().strip("{}"))
    sent: dict[str, Any] = {"content": kept_file or asked.body.encode()} if asked.body else {}
    status, *kept = example.facts.split() or ["204"]
    answer = await here.ask(asked.method, asked.path, int(status), headers=asked.headers, **sent)
    await here.rig.drain()
    await here.knowledge.drain()
    if example.kind == "json":
        assert differences(json.loads(example.shown), answer.json(), asked.line) == []
    elif example.kind == "zip":
        assert list(files_of(answer.content)) == example.shown.split()
        files |= dict.fromkeys(kept, answer.content)
        return
    elif example.kind:
        assert answer.text == example.shown
    for one in kept:
        name, _, field = one.partition("=")
        names[name] = field_of(answer.json(), field)


async def test_the_page_shows_what_happens() -> None:
    names: dict[str, str] = {}
    files: dict[str, bytes] = {}
    async with deployed(AllowedModels(("local:*", "google:*"))) as here:
        for example in examples(PAGE):
            await send(here, example, names, files)
    assert len(names) > 3


def routes_of_agents() -> set[str]:
    """The routes of `agents`, and the run of an agent by its own; knowledge has a page of its own."""
    public = {row.route for row in ROWS}
    paths = {route: route.partition(" ")[2] for route in public}
    return {
        route
        for route, path in paths.items()
        if (find_deployable(path) == "agents" or path.startswith("/agents/")) and not path.startswith("/knowledge")
    }


def test_the_page_names_every_route_of_agents() -> None:
    routes = routes_of_agents()
    assert {"GET /models", "POST /agents/{agent_id}/execute", "GET /templates/{name}"} < routes
    assert unmentioned(PAGE, routes) == []
