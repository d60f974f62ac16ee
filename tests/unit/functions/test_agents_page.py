"""The page about agents: each request on it is sent, and each answer compared with what the page shows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from shared.domain.allowed_models import AllowedModels
from tests.support.archives import files_of
from tests.support.in_process import Deployment, deployed

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@dataclass(frozen=True)
class Example:
    """A request on the page, and what the page shows of its answer: its kind, status, names for later, and text."""

    request: str
    kind: str = ""
    facts: str = ""
    shown: str = ""


def examples() -> list[Example]:
    found: list[Example] = []
    for kind, facts, text in _FENCE.findall(PAGE.read_text("utf-8")):
        if kind == "http":
            found.append(Example(text))
        else:
            found[-1] = Example(found[-1].request, kind, facts.strip(), text)
    return found


def differences(shown: Any, found: Any, path: str = "") -> list[str]:
    """Where an answer is not as the page shows it; it may have more keys, and items where the page has a last `…`."""
    if shown == ANYTHING:
        return [] if found is not None else [f"{path} is null"]
    if isinstance(shown, dict) and isinstance(found, dict):
        parts, others = cast("dict[str, Any]", shown), cast("dict[str, Any]", found)
        pairs = [(key, parts[key], others.get(key, "(nothing)")) for key in parts]
        return [told for key, one, other in pairs for told in differences(one, other, f"{path}.{key}")]
    if isinstance(shown, list) and isinstance(found, list):
        wanted, items = cast("list[Any]", shown), cast("list[Any]", found)
        if wanted[-1:] == [ANYTHING]:
            wanted, items = wanted[:-1], items[: len(wanted) - 1]
        pairs = list(zip(wanted, items, strict=True))
        return [told for n, (one, other) in enumerate(pairs) for told in differences(one, other, f"{path}.{n}")]
    return [] if shown == found else [f"{path}: the page shows {shown!r}, the answer has {found!r}"]


async def send(here: Deployment, example: Example, names: dict[str, str], files: dict[str, bytes]) -> None:
    head, _, body = example.request.partition("\n\n")
    line, *headers = head.strip().splitlines()
    for name, value in names.items():
        line, body = line.replace(f"{{{name}}}", value), body.replace(f'"{{{name}}}"', f'"{value}"')
    method, path = line.split(" ")
    kept_file = files.get(body.strip().strip("{}"))
    sent: dict[str, Any] = {"content": kept_file or body.encode()} if body else {}
    fields = dict(header.split(": ", 1) for header in headers)
    status, *kept = example.facts.split() or ["204"]
    answer = await here.ask(method, path, int(status), headers=fields, **sent)
    await here.rig.drain()
    await here.knowledge.drain()
    if example.kind == "json":
        assert differences(json.loads(example.shown), answer.json(), line) == []
    elif example.kind == "zip":
        assert list(files_of(answer.content)) == example.shown.split()
        files |= dict.fromkeys(kept, answer.content)
        return
    elif example.kind:
        assert answer.text == example.shown
    for one in kept:
        name, _, field = one.partition("=")
        names[name] = answer.json()[field]


async def test_the_page_shows_what_happens() -> None:
    names: dict[str, str] = {}
    files: dict[str, bytes] = {}
    async with deployed(AllowedModels(("local:*", "google:*"))) as here:
        for example in examples():
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
