"""JSON Schemas that authors write: which are understood, and whether a value fits one.

A part of JSON Schema 2020-12, so that judging a value takes a bounded time whatever the schema is: references lead only
to `$defs` and never in circles, patterns are regular expressions that take linear time (RE2), and nothing is fetched.

Source: https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.errors import Fault
from shared.domain.records import to_json
from shared.domain.schema_patterns import compiled
from shared.domain.suggestions import closest
from shared.domain.written_definitions import fields_of

MAX_SCHEMA_CHARACTERS = 65_536
MAX_PARTS = 2_000
"""Of a schema with every reference written out."""
MAX_DEPTH = 40
MAX_VALUE_FAULTS = 50
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

_IN_MAPS = ("properties", "$defs", "dependentSchemas")
_IN_LISTS = ("prefixItems", "allOf", "anyOf", "oneOf")
_ALONE = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")
_NOTES = ("$schema", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly")
_OF_ANY = ("$ref", "type", "enum", "const", "format", "required", "dependentRequired", "pattern", "uniqueItems")
_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_OF_SIZES = ("Length", "Items", "Contains", "Properties")
_SIZES = tuple(f"{end}{of}" for of in _OF_SIZES for end in ("min", "max"))
KEYWORDS = frozenset((*_IN_MAPS, *_IN_LISTS, *_ALONE, *_NOTES, *_OF_ANY, *_OF_NUMBERS, *_SIZES))
_REFERENCE = "#/$defs/"
_DEFINITION = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def schema_faults(path: str, schema: Any) -> tuple[Fault, ...]:
    """What is wrong with a schema of an object, each with its path below `path`."""
    if not isinstance(schema, dict):
        return (Fault(path, "must be a JSON Schema: a map with 'type: object'"),)
    schema = cast("dict[str, Any]", schema)
    if len(to_json(schema)) > MAX_SCHEMA_CHARACTERS:
        return (Fault(path, f"must have at most {MAX_SCHEMA_CHARACTERS:,} characters as JSON"),)
    faults = tuple(_keyword_faults(path, schema, _definitions(schema)))
    if schema.get("type") != "object" and not any(fault.path == f"{path}.type" for fault in faults):
        faults += (Fault(f"{path}.type", "must be object: inputs and outputs have names", "object"),)
    return faults or _form_faults(path, schema) or _size_faults(path, schema)  # each needs what those before found good


def value_faults(path: str, schema: Mapping[str, Any], value: Any) -> tuple[Fault, ...]:
    """Where a value does not fit a schema without faults; up to MAX_VALUE_FAULTS."""
    from shared.domain.schema_judge import judge  # noqa: PLC0415 - jsonschema takes long to import, and few need it

    faults: list[Fault] = []
    for fault in judge(path, schema, value):
        faults.append(fault)
        if len(faults) == MAX_VALUE_FAULTS:
            break
    return tuple(faults)


def with_defaults(schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """The value, with the default of each property of the schema that is missing in it."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    parts = {name: cast("Mapping[str, Any]", part) for name, part in properties.items() if isinstance(part, dict)}
    return {**{name: part["default"] for name, part in parts.items() if "default" in part}, **value}


def _definitions(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields_of(schema.get("$defs"))


def _keyword_faults(path: str, schema: Any, definitions: Mapping[str, Any]) -> Iterator[Fault]:
    if not isinstance(schema, dict):
        return
    schema = cast("dict[str, Any]", schema)
    for key, value in schema.items():
        place = f"{path}.{key}"
        if key not in KEYWORDS:
            yield Fault(place, "is not a keyword that is understood here", closest(key, KEYWORDS))
        elif key == "$ref":
            yield from _reference_faults(place, value, definitions)
        elif key == "pattern":
            yield from _pattern_faults(place, value)
        elif key == "type":
            yield from _type_faults(place, value)
    for place, below in _below(path, schema):
        yield from _keyword_faults(place, below, definitions)


def _reference_faults(path: str, reference: Any, definitions: Mapping[str, Any]) -> Iterator[Fault]:
    name = reference.removeprefix(_REFERENCE) if isinstance(reference, str) else ""
    if not isinstance(reference, str) or name == reference or not _DEFINITION.fullmatch(name):
        yield Fault(path, "must name one of the root's $defs", f"{_REFERENCE}name")
    elif name not in definitions:
        found = closest(name, definitions)
        yield Fault(path, f"there is nothing at '{reference[:100]}'", found and _REFERENCE + found)


def _pattern_faults(path: str, pattern: Any) -> Iterator[Fault]:
    if isinstance(pattern, str) and compiled(pattern) is None:
        yield Fault(path, "must be a regular expression of RE2: without look-around and back references")


def _type_faults(path: str, given: Any) -> Iterator[Fault]:
    for kind in cast("list[Any]", given) if isinstance(given, list) else [given]:
        if kind not in TYPES:
            yield Fault(path, f"must be one of {', '.join(TYPES)}", closest(str(kind), TYPES))


def _form_faults(path: str, schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """What the schema of schemas finds: a minimum that is no number, say."""
    from shared.domain.schema_judge import judge_schema  # noqa: PLC0415 - as above

    return tuple(judge_schema(path, schema))


def _size_faults(path: str, schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Whether references lead in circles, or stand for too much when written out."""
    sizes = _Sizes(_definitions(schema))
    try:
        found = [sizes.of(schema), *(sizes.of_named(name) for name in sizes.definitions)]
    except _Circle as circle:
        reason = f"refers to itself, or through more than {MAX_DEPTH} others; write out as many levels as are needed"
        return (Fault(f"{path}.$defs.{circle}", reason),)
    total, deepest = sum(parts for parts, _ in found), max(depth for _, depth in found)
    if total > MAX_PARTS or deepest > MAX_DEPTH:
        has = f"it has {total:,}, {deepest} deep"
        allowed = f"{MAX_PARTS:,} parts, {MAX_DEPTH} deep"
        return (Fault(path, f"must have at most {allowed}, when every $ref is written out; {has}"),)
    return ()


class _Circle(Exception):
    """A definition that refers to itself."""


class _Sizes:
    """Counts the parts of schemas, and how many are inside one another, as if each reference were written out."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self._known: dict[str, tuple[int, int]] = {}
        self._open: list[str] = []

    def of(self, part: Any) -> tuple[int, int]:
        """Parts and depth of a schema."""
        if not isinstance(part, dict):
            return 1, 1
        part = cast("dict[str, Any]", part)
        found = [self.of(below) for place, below in _below("", part) if not place.startswith(".$defs")]
        if "$ref" in part:
            found.append(self.of_named(str(part["$ref"]).removeprefix(_REFERENCE)))
        return 1 + sum(parts for parts, _ in found), 1 + max((depth for _, depth in found), default=0)

    def of_named(self, name: str) -> tuple[int, int]:
        """Parts and depth of a definition."""
        if name in self._open or len(self._open) == MAX_DEPTH:
            raise _Circle(name)
        if name not in self._known:
            self._open.append(name)
            self._known[name] = self.of(self.definitions[name])
            self._open.pop()
        return self._known[name]


def _below(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas directly inside a schema, with their paths."""
    for key, value in schema.items():
        place = f"{path}.{key}"
        if key in _ALONE:
            yield place, value
        elif key in _IN_LISTS and isinstance(value, list):
            for position, below in enumerate(cast("list[Any]", value)):
                yield f"{place}.{position}", below
        elif key in _IN_MAPS and isinstance(value, dict):
            for name, below in cast("dict[str, Any]", value).items():
                yield f"{place}.{name}", below
