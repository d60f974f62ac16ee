"""A request's body as plain data: YAML or JSON, refused with line and column where it is neither.

Both are read strictly: no key twice, bounded depth, only what JSON can say. YAML is read by its
1.2 core schema, so that `no` and `2026-01-01` are texts; anchors, aliases and tags are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from shared.domain.errors import Fault, InvalidArgument, UnsupportedMediaType
from shared.domain.media_types import media_type_in

MAX_DEPTH = 64
MEDIA_TYPES = ("application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

_PLACE = re.compile(r"line (\d+), column (\d+)")
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_OCTAL = re.compile(r"0o[0-7]{1,30}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (_NULL, lambda _: None),
    (_TRUE, lambda _: True),
    (_FALSE, lambda _: False),
    (_INTEGER, int),
    (_OCTAL, lambda text: int(text, 8)),
    (_HEXADECIMAL, lambda text: int(text, 16)),
    (_FLOAT, float),
)


def parse_body(body: bytes, content_type: str | None) -> Any:
    """The value that a body holds; without a content type, the body is JSON if it begins like it.

    Raises:
        UnsupportedMediaType: the content type is neither JSON's nor YAML's.
        InvalidArgument: the text is not well formed, or holds what JSON cannot say.
    """
    media_type = media_type_in(content_type)
    if not media_type:
        media_type = "application/json" if body.lstrip()[:1] in {b"{", b"["} else "application/yaml"
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"Send one of {', '.join(MEDIA_TYPES)}; '{media_type}' is not understood.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(f"is not UTF-8: byte {error.start}")
    value = _parse_json(text) if media_type == "application/json" else _parse_yaml(text)
    _check(value)
    return value


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        _refuse(f"line {error.lineno}, column {error.colno}: {error.msg}")
    except RecursionError:
        _refuse(f"is nested more than {MAX_DEPTH} deep")
    except ValueError:
        _refuse("has an integer with too many digits")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            _refuse(f"has the key '{key}' twice in one map")
        fields[key] = value
    return fields


def _no_number(name: str) -> NoReturn:
    _refuse(f"{name} is not a number of JSON")


def yaml_library() -> tuple[Any, Any]:
    """PyYAML, and its loader: libyaml's where the wheel has it, which is 10 times as fast."""
    import yaml  # noqa: PLC0415 - only the functions that read definitions have it

    return yaml, getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_plain_text(text: str) -> bool:
    """Whether a text of YAML that is not quoted is read as text."""
    return not any(pattern.fullmatch(text) for pattern, _ in _PLAIN)


def _parse_yaml(text: str) -> Any:
    yaml, loader = yaml_library()
    try:
        builder = _Builder(yaml)
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        _refuse(f"{where}{error.problem or error.context or 'is not YAML'}")
    except yaml.YAMLError as error:
        _refuse(f"is not YAML: {' '.join(str(error).split())}")
    return builder.roots[0] if builder.roots else None


class _Builder:
    """Builds the value of the one document in a stream of YAML's events.

    PyYAML's own constructor recurses, expands aliases, and lets a later key win.
    """

    def __init__(self, yaml: Any) -> None:
        self._yaml = yaml
        self.roots: list[Any] = []
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []

    def take(self, event: Any) -> None:
        """Add what one event says."""
        yaml = self._yaml
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _refuse(f"{_at(event)}: anchors and aliases are not supported; write the value out")
        if isinstance(event, yaml.DocumentStartEvent) and self.roots:
            _refuse(f"{_at(event)}: a second document begins")
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()
            self._keys.pop()
        if isinstance(event, yaml.NodeEvent):
            self._add(event)

    def _add(self, event: Any) -> None:
        container = self._open[-1] if self._open else self.roots
        if isinstance(container, list):
            value = _value(self._yaml, event)
            container.append(value)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = _key(self._yaml, event, container)
            return
        else:
            value = _value(self._yaml, event)
            container[key] = value
            self._keys[-1] = None
        if isinstance(value, dict | list):
            if len(self._open) >= MAX_DEPTH:
                _refuse(f"{_at(event)}: is nested more than {MAX_DEPTH} deep")
            self._open.append(value)  # pyright: ignore[reportUnknownArgumentType] - fresh and empty
            self._keys.append(None)


def _value(yaml: Any, event: Any) -> Any:
    if event.tag is not None and event.tag != "!":
        _refuse(f"{_at(event)}: tags such as {event.tag} are not supported")
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    if not event.implicit[0]:
        return event.value
    for pattern, read in _PLAIN:
        if pattern.fullmatch(event.value):
            return read(event.value)
    return event.value


def _key(yaml: Any, event: Any, container: dict[str, Any]) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        _refuse(f"{_at(event)}: a key must be text")
    if event.value == "<<" and event.implicit[0]:
        _refuse(f"{_at(event)}: merge keys are not supported; write the values out")
    if event.value in container:
        _refuse(f"{_at(event)}: the key '{event.value}' is there twice")
    return event.value


def _at(event: Any) -> str:
    return f"line {event.start_mark.line + 1}, column {event.start_mark.column + 1}"


def _check(value: Any) -> None:
    """Refuse depth and text that cannot be stored."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not item.isascii():
                _check_text(item)
            elif isinstance(item, float) and item in {float("inf"), float("-inf")}:
                _refuse("has a number that is too large")
        if not below:
            return
        level = below
    _refuse(f"is nested more than {MAX_DEPTH} deep")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse("has half a surrogate pair (\\ud800 to \\udfff), which is not a character")


def _refuse(reason: str) -> NoReturn:
    where = _PLACE.match(reason)
    line, column = (int(where[1]), int(where[2])) if where else (None, None)
    raise InvalidArgument(f"The body cannot be read: {reason}.", (Fault("", reason, line=line, column=column),))
