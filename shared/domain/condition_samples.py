"""Values with which a condition can be tried before there are any: one of each type that it refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.errors import Fault
from shared.domain.graph_types import Condition
from shared.domain.node_references import without_texts
from shared.domain.template_types import path_faults
from shared.domain.value_types import Schema, at

_PATH = re.compile(r"(?<![\w.])([a-z_]\w*)((?:\.[A-Za-z_]\w*\b(?!\s*\())*)(\s*\[)?", re.ASCII)
_OF_MACROS = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,", re.ASCII)
_TYPES = {
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "list",
    "map",
    "type",
    "null_type",
    "timestamp",
    "duration",
}
_SAMPLES: Mapping[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def unknown_names(condition: Condition, names: list[str]) -> Iterator[Fault]:
    """The names of a condition, as CEL has found them, that stand for nothing."""
    own = {*_OF_MACROS.findall(without_texts(condition.text)), *_TYPES, *condition.scope}
    for name in sorted(set(names) - own):
        yield Fault(condition.path, f"'{name}' is no node beside this one, and not the input")


def condition_paths(condition: Condition) -> Iterator[Fault]:
    """Paths in a condition that lead to nothing."""
    for root, steps, _ in _paths(condition):
        yield from path_faults(condition.path, root, steps, condition.scope)


def sample_scope(condition: Condition) -> dict[str, Any] | None:
    """A value for each path in a condition; None where the type of one is not known."""
    scope: dict[str, Any] = {}
    for root, steps, is_indexed in _paths(condition):
        schema = at(condition.scope[root], steps)
        value = None if isinstance(schema, str) or is_indexed else _sample(schema)
        if value is None or not _put(scope, (root, *steps), value[0]):
            return None
    return scope


def _paths(condition: Condition) -> Iterator[tuple[str, list[str], bool]]:
    """The paths that begin with a known name: the name, the steps, and whether one by position follows."""
    for root, rest, indexed in _PATH.findall(without_texts(condition.text)):
        if root in condition.scope:
            yield root, rest.split(".")[1:], bool(indexed)


def _sample(schema: Schema) -> tuple[Any] | None:
    """A value of a type, in a tuple since it may be null; None where the type is not known."""
    kind = schema.get("type")
    if not isinstance(kind, str) or "$ref" in schema:
        return None
    if kind in _SAMPLES:
        return (_SAMPLES[kind],)
    if kind == "array":
        items: Any = schema.get("items")
        item = _sample(cast("Schema", items)) if isinstance(items, dict) else None
        return None if item is None else ([item[0]],)
    parts = {name: _sample(part) for name, part in cast("Mapping[str, Schema]", schema.get("properties", {})).items()}
    whole = {name: part[0] for name, part in parts.items() if part is not None}
    return (whole,) if parts and len(whole) == len(parts) else None


def _put(scope: dict[str, Any], steps: tuple[str, ...], value: Any) -> bool:
    """Put a value at a path; False where another one stands in its way."""
    here: Any = scope
    for step in steps[:-1]:
        here = here.setdefault(step, {}) if isinstance(here, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return isinstance(here, dict) and here.setdefault(steps[-1], value) == value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
