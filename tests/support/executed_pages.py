"""Pages whose examples are executed: requests in `http` fences, each followed by what its answer shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ANYTHING = "…"
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A request on the page, and what the page shows of its answer: its kind, status, names for later, and text."""

    request: str
    kind: str = ""
    facts: str = ""
    shown: str = ""


@dataclass(frozen=True)
class Request:
    """An example's request, with names filled in."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def line(self) -> str:
        """What is asked, for messages."""
        return f"{self.method} {self.path}"


def examples(page: Path) -> list[Example]:
    """The examples of a page, in order."""
    found: list[Example] = []
    for kind, facts, text in _FENCE.findall(page.read_text("utf-8")):
        if kind == "http":
            found.append(Example(text))
        else:
            found[-1] = Example(found[-1].request, kind, facts.strip(), text)
    return found


def request_of(example: Example, names: dict[str, str]) -> Request:
    """What an example sends; `{name}` in its path, and `"{name}"` in its body, stand for what was kept under it."""
    head, _, body = example.request.partition("\n\n")
    line, *headers = head.strip().splitlines()
    for name, value in names.items():
        line, body = line.replace(f"{{{name}}}", value), body.replace(f'"{{{name}}}"', f'"{value}"')
    method, path = line.split(" ")
    return Request(method, path, dict(header.split(": ", 1) for header in headers), body)


def unmentioned(page: Path, routes: Iterable[str]) -> list[str]:
    """The routes (`GET /agents/{agent_id}`) that a page does not name, whatever their parameters are called there."""
    text = page.read_text("utf-8")
    patterns = {route: re.sub(r"\\{\w+\\}", r"[^/\\s`?]+", re.escape(route)) + r"(?![/\w])" for route in routes}
    return sorted(route for route, pattern in patterns.items() if not re.search(pattern, text))


def field_of(answer: Any, path: str) -> Any:
    """A field of an answer by its path, such as `items.0.id`."""
    for part in path.split("."):
        answer = answer[int(part)] if part.isdecimal() else answer[part]
    return answer


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
