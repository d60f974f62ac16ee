"""The page about agents: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.domain.allowed_models import AllowedModels
from tests.support.archives import files_of
from tests.support.executed_pages import Example, differences, examples, field_of, request_of
from tests.support.in_process import Deployment, deployed

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


def test_the_page_names_every_route_of_agents() -> None:
    text = PAGE.read_text("utf-8")
    for path in (
        "/grants",
        "/readers",
        "/secrets",
        "/agents/shared",
        "/agents/validate",
        "/agents/schema",
        "/export",
        "/import",
        "/clone",
        "/restore",
        "/aliases",
        "/diff",
        "/history",
    ):
        assert path in text
