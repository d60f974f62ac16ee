"""What is known of a value before there is one.

Types are JSON Schemas, of which `type`, `properties`, `required`, `items`, `prefixItems` and `additionalProperties` say
something here; where nothing is known nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from shared.domain.definition_schemas import TYPES
from shared.domain.suggestions import closest

Schema: TypeAlias = Mapping[str, Any]
ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
_EVERY = frozenset(TYPES)
_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "null",
}
_CLASSES: tuple[tuple[str, type], ...] = (
    ("boolean", bool),  # before the whole numbers, as which Python counts them
    ("integer", int),
    ("number", float),
    ("string", str),
    ("object", dict),
    ("array", list),
)
_HIDDEN = ("$ref", "anyOf", "oneOf", "allOf", "if", "not")
_NAMES_ALL = "namesAll"


def closed(**properties: Schema) -> Schema:
    """An object with these properties, all of them, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def named(schema: Schema) -> Schema:
    """An object of which templates refer to nothing but what the schema names, though it may have more."""
    names = "properties" in schema and "additionalProperties" not in schema
    return {**schema, _NAMES_ALL: True} if names else schema


def unnamed(schema: Schema) -> Schema:
    """The same, of which templates may refer to more than what the schema names."""
    return {key: value for key, value in schema.items() if key != _NAMES_ALL}


def kinds(schema: Schema) -> frozenset[str]:
    """What a value may be, in the words of JSON Schema: one of several things, or anything."""
    found = schema.get("type")
    if isinstance(found, str):
        return frozenset({found})
    return frozenset(cast("list[str]", found)) if isinstance(found, list) else _EVERY


def is_a(kind: str, schema: Schema) -> bool:
    """Whether a value is known to be of this kind."""
    return kinds(schema) == frozenset({kind})


def words(several: Iterable[str]) -> str:
    """Kinds of values for an author: `text or a list`."""
    return " or ".join(_WORDS[kind] for kind in TYPES if kind in several)


def word_for(value: Any) -> str:
    """What a value is, in the same words."""
    return words((next((kind for kind, one in _CLASSES if isinstance(value, one)), "null"),))


def is_closed(schema: Schema) -> bool:
    """Whether an object has nothing but what the schema names."""
    return schema.get("additionalProperties") is False


def properties_of(schema: Schema) -> Mapping[str, Any]:
    """The properties that a schema names."""
    return cast("Mapping[str, Any]", schema.get("properties", {}))


def part_of(schema: Schema, name: str) -> Schema | None:
    """The type of a property; None where there is none of this name."""
    properties = properties_of(schema)
    if name in properties:
        return as_schema(properties[name])
    return None if is_closed(schema) else as_schema(schema.get("additionalProperties"))


def item_of(schema: Schema, position: int | None = None) -> Schema:
    """The type of the item at a position of a list, or of any."""
    first = cast("Sequence[Any]", schema.get("prefixItems", ()))
    if position is not None and position < len(first):
        return as_schema(first[position])
    return ANYTHING if position is None and first else as_schema(schema.get("items"))


def as_schema(value: Any) -> Schema:
    """A part of a schema; anything where it says nothing."""
    return cast("Schema", value) if isinstance(value, dict) else ANYTHING


def at(schema: Schema, steps: Sequence[str]) -> Schema | str:
    """The type at the end of a path, or why there can be nothing."""
    for step in steps:
        kind = schema.get("type")
        if not isinstance(kind, str) or any(key in schema for key in _HIDDEN):
            return ANYTHING
        found = _inside(schema, kind, step)
        if isinstance(found, str):
            return found
        schema = found
    return schema


def _inside(schema: Schema, kind: str, step: str) -> Schema | str:
    if kind == "array":
        return item_of(schema, int(step)) if step.isdecimal() else "is a list: choose with [0]"
    if kind != "object":
        return f"is {'a number' if kind == 'integer' else _WORDS[kind]}, and has no '{step}'"
    if step in properties_of(schema) or not (is_closed(schema) or _NAMES_ALL in schema):
        return part_of(schema, step) or ANYTHING
    known = closest(step, properties_of(schema))
    return f"has no '{step}'" + (f"; did you mean '{known}'?" if known else "")
