"""From an HTTP tool and the arguments of a call to a request, and from the answer to what the model gets.

An argument can be nothing but what it stands for: in a path it stays in its segment, in a query in its parameter, in a
body in its value. It never reaches a header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, unquote, urlencode

from shared.domain.errors import FailedPrecondition, InvalidArgument
from shared.domain.secrets import SecretText, is_reference, secrets_in
from shared.domain.tool_definitions import HttpTool, McpServer

IN_PATH = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")
_IN_TEXT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
ORIGIN = re.compile(r"(https?://[^/?#]*)(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_DOTS = frozenset({".", ".."})
_KEYS_SHOWN = 20
_MISSING = object()


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request with nothing left to fill in. It may hold secrets, so it does not show itself."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Filling:
    """What is put into templates: arguments where they are named, secrets where references stand."""

    arguments: Mapping[str, Any]
    secrets: Mapping[str, SecretText]


def build_call(tool: HttpTool, arguments: Mapping[str, Any], secrets: Mapping[str, SecretText]) -> HttpCall:
    """The request of a call.

    Raises:
        InvalidArgument: an argument is missing in the path, or cannot stand where it is to stand.
        KeyError: a secret is not among `secrets`.
    """
    filling = Filling({name: value for name, value in arguments.items() if value is not None}, secrets)
    used = used_arguments(tool)
    rest = {name: value for name, value in filling.arguments.items() if name not in used}
    has_body = tool.method in WITH_BODY
    query = _fill(tool.query, filling) if tool.query is not None else {} if has_body else rest
    body = _fill(tool.body, filling) if tool.body is not None else rest if has_body else None
    path, _, fixed = tool.url.partition("?")
    parameters = "&".join(part for part in (fixed, urlencode(list(_parameters(query)))) if part)
    url = fill_path(path, filling.arguments) + (f"?{parameters}" if parameters else "")
    headers, content = ({}, None) if body is None else _encode(body, tool.body_type)
    return HttpCall(tool.method, url, {**headers, **own_headers(tool, secrets)}, content)


def _encode(body: Any, kind: str) -> tuple[dict[str, str], bytes]:
    if kind == "form":
        form = urlencode(list(_parameters(cast("dict[str, Any]", body)))) if isinstance(body, dict) else ""
        return {"Content-Type": "application/x-www-form-urlencoded"}, form.encode()
    return {"Content-Type": "application/json"}, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def own_headers(tool: HttpTool | McpServer, secrets: Mapping[str, SecretText]) -> dict[str, str]:
    """The headers that a definition sets, with the secrets in them.

    Raises:
        FailedPrecondition: a secret cannot stand in a header.
    """
    headers = {
        name: value if isinstance(value, str) else secrets[value.secret].reveal_for_header()
        for name, value in tool.headers.items()
    }
    if tool.bearer_token is not None:
        headers["Authorization"] = f"Bearer {secrets[tool.bearer_token.secret].reveal_for_header()}"
    return headers


def secret_names(tool: HttpTool | McpServer) -> frozenset[str]:
    """The names of the secrets that a tool sends."""
    return secrets_in(tool.model_dump(include={"headers", "bearer_token", "query", "body"}))


def used_arguments(tool: HttpTool) -> frozenset[str]:
    """The arguments that the tool's templates name."""
    path = (match[2] for match in IN_PATH.finditer(tool.url))
    return frozenset((*path, *(name for name in _names(tool.query)), *(name for name in _names(tool.body))))


def fill_path(template: str, arguments: Mapping[str, Any]) -> str:
    """The template with its arguments, each percent-encoded.

    Raises:
        InvalidArgument: an argument is missing or empty, or would lead out of its place.
    """

    def put(match: re.Match[str]) -> str:
        several, name = match.groups()
        text = _plain(name, arguments.get(name, ""))
        if not text or _CONTROL.search(text):
            raise InvalidArgument(f"{name} is needed, without control characters: it is part of the address.")
        parts = text.split("/") if several else [text]
        if any(not part or "/" in part or "\\" in part for part in parts):
            raise InvalidArgument(f"{name} must not contain a slash or backslash: it is one part of a path.")
        try:
            return "/".join(quote(part, safe="") for part in parts)
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"{name} is not valid Unicode text.") from error

    found = ORIGIN.fullmatch(template)
    if found is None:
        raise InvalidArgument("The tool's address is malformed in the agent's definition.")
    filled = IN_PATH.sub(put, found[2])
    # Servers, and what stands before them, read %2E%2E as dots.
    if any(unquote(segment) in _DOTS for segment in filled.split("/")):
        raise InvalidArgument("A part of the address would be '.' or '..', which leads elsewhere.")
    return found[1] + filled


def pick(value: Any, path: str) -> Any:
    """The part of a JSON value at a dotted path, in which numbers count the items of lists from 0.

    Raises:
        FailedPrecondition: there is no such part; the message says what there is.
    """
    here = value
    for step in path.split("."):
        if isinstance(here, dict) and step in here:
            here = cast("dict[str, Any]", here)[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(cast("list[Any]", here)):
            here = cast("list[Any]", here)[int(step)]
        else:
            raise FailedPrecondition(f"The answer has no '{step}' of '{path}': it has {_shape(here)} there.")
    return here


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        keys = list(cast("dict[str, Any]", value))
        shown = ", ".join(key[:100] for key in keys[:_KEYS_SHOWN])
        return f"the keys {shown}" + ("…" if len(keys) > _KEYS_SHOWN else "") if keys else "an empty map"
    return f"a list of {len(cast('list[Any]', value))}" if isinstance(value, list) else "no more parts"


def _fill(template: Any, filling: Filling) -> Any:
    """The template tree filled in; what names a missing argument is left out."""
    if isinstance(template, str):
        return _fill_text(template, filling.arguments)
    if is_reference(template):  # only the author's own: what a model sends is put in whole, and not looked into
        return filling.secrets[template["secret"]].reveal()
    if isinstance(template, dict):
        filled = {key: _fill(part, filling) for key, part in cast("dict[str, Any]", template).items()}
        return {key: part for key, part in filled.items() if part is not _MISSING}
    if isinstance(template, list):
        parts = (_fill(part, filling) for part in cast("list[Any]", template))
        return [part for part in parts if part is not _MISSING]
    return template


def _fill_text(template: str, arguments: Mapping[str, Any]) -> Any:
    if (whole := _IN_TEXT.fullmatch(template)) is not None:
        return arguments.get(whole[1], _MISSING)
    if any(match[1] not in arguments for match in _IN_TEXT.finditer(template)):
        return _MISSING
    return _IN_TEXT.sub(lambda match: _plain(match[1], arguments[match[1]]), template)


def _names(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield from (match[1] for match in _IN_TEXT.finditer(template))
    elif isinstance(template, dict):
        for part in cast("dict[str, Any]", template).values():
            yield from _names(part)
    elif isinstance(template, list):
        for part in cast("list[Any]", template):
            yield from _names(part)


def _parameters(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and texts; a list is its items under the same name."""
    for name, value in values.items():
        for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
            yield _encodable(name), _encodable(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidArgument(f"{name} must be text or a number here.")
