"""The page about graphs: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from shared.domain.graph_definitions import GraphNode
from tests.support.executed_pages import differences, examples, field_of, request_of
from tests.support.in_process import deployed

PAGE = Path(__file__).parents[3] / "docs" / "graphs.md"


async def test_the_page_shows_what_happens() -> None:
    names: dict[str, str] = {}
    async with deployed() as here:
        for example in examples(PAGE):
            asked = request_of(example, names)
            sent: dict[str, Any] = {"content": asked.body.encode()} if asked.body else {}
            status, *kept = example.facts.split()
            answer = await here.ask(asked.method, asked.path, int(status), headers=asked.headers, **sent)
            await here.rig.drain()
            assert differences(json.loads(example.shown), answer.json(), asked.line) == []
            names |= {name: field_of(answer.json(), field) for name, _, field in (one.partition("=") for one in kept)}
    assert set(names) == {"sums", "sounder", "forge", "squares"}


def test_the_page_names_every_kind_of_node() -> None:
    text = PAGE.read_text("utf-8")
    kinds = [get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(GraphNode)[0])]
    assert len(kinds) == 8
    assert [kind for kind in kinds if f"| `{kind}` |" not in text] == []


def test_the_page_says_which_kinds_have_retry_timeout_and_fallback() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip(" `") for cell in row] for row in rows if len(row) == 4]
    (_, *keys), _, *said = cells
    assert keys == ["retry", "timeout_seconds", "fallback"]
    has: dict[str, list[bool]] = {}
    for kind in get_args(get_args(GraphNode)[0]):
        (name,) = get_args(kind.model_fields["kind"].annotation)
        has[name] = [key in kind.model_fields for key in keys]
    assert {name: [cell != "no" for cell in row] for name, *row in said} == has
    assert all(cell in {"yes", "no", "of each item", "of each round"} for _, *row in said for cell in row)
