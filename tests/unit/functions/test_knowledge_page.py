"""The page about knowledge: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.adapters.tools.document_reader import LocalDocumentReader
from tests.support.executed_pages import differences, examples, field_of, request_of, unmentioned
from tests.support.in_process import deployed
from tests.unit.acl.table import KNOWLEDGE

PAGE = Path(__file__).parents[3] / "docs" / "knowledge.md"


async def test_the_page_shows_what_happens() -> None:
    names: dict[str, str] = {}
    async with deployed() as here:
        here.knowledge.reader = LocalDocumentReader()
        for example in examples(PAGE):
            asked = request_of(example, names)
            sent: dict[str, Any] = {"content": asked.body.encode()} if asked.body else {}
            status, *kept = example.facts.split() or ["204"]
            answer = await here.ask(asked.method, asked.path, int(status), headers=asked.headers, **sent)
            await here.rig.drain()
            await here.knowledge.drain()
            if example.shown:
                assert differences(json.loads(example.shown), answer.json(), asked.line) == []
            names |= {name: field_of(answer.json(), field) for name, _, field in (one.partition("=") for one in kept)}
    assert set(names) == {"collection", "document", "clerk", "run", "broken"}


def test_the_page_names_every_route_of_knowledge() -> None:
    routes = {row.route for row in KNOWLEDGE}
    assert len(routes) > 9
    assert unmentioned(PAGE, routes) == []
