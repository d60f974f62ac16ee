"""What JSON Schema says of a value, in plain words; apart, because its library takes long to import."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import count
from typing import Any, cast

import jsonschema
import jsonschema.validators
import referencing

from shared.domain.errors import Fault
from shared.domain.records import to_json
from shared.domain.schema_patterns import compiled
from shared.domain.suggestions import closest

_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a map of names to values",
    "array": "a list",
    "null": "null",
}
_LIMITS = {
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "pattern": "must match the pattern {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minContains": "must have at least {} items of the kind that the schema wants",
    "maxContains": "must have at most {} items of the kind that the schema wants",
    "minProperties": "must have at least {} keys",
    "maxProperties": "must have at most {} keys",
    "const": "must be {}",
    "uniqueItems": "must not have an item twice",
    "anyOf": "fits none of the alternatives",
    "oneOf": "must fit exactly one of the alternatives",
    "not": "is what the schema excludes",
    "contains": "must have an item of the kind that the schema wants",
}
_SHOWN = 100
MAX_STEPS = 100_000
"""How many keywords are looked at, over all parts of a value: a second or two."""
_LIBRARY: Any = jsonschema.Draft202012Validator  # its types are partly unknown
_REGISTRY: Any = referencing.Registry  # likewise
_steps: ContextVar[Iterator[int]] = ContextVar("steps of the value that is judged")


def judge(path: str, schema: Mapping[str, Any], value: Any) -> Iterator[Fault]:
    """Where a value does not fit, in the order of the schema."""
    nothing = _REGISTRY()  # or the library would fetch what a $ref names
    _steps.set(count(1))
    try:
        for error in _validator()(schema, registry=nothing).iter_errors(value):
            yield from _faults(path, error)
    except OverflowError:
        yield Fault(path, "has a number that is too large")
    except _TooMuch:
        yield Fault(path, "would take too long to judge by its schema; make one of them smaller")


def judge_schema(path: str, schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Where a schema is none."""
    for error in _LIBRARY(_LIBRARY.META_SCHEMA).iter_errors(schema):
        for fault in _faults(path, error):
            yield Fault(fault.path, f"is no JSON Schema: {fault.reason}", fault.suggestion)


def _faults(path: str, error: Any) -> Iterator[Fault]:
    place = ".".join((path, *(str(step) for step in error.absolute_path)))
    limit: Any = error.validator_value
    match error.validator:
        case "required":
            yield from (Fault(f"{place}.{name}", "is missing") for name in limit if name not in error.instance)
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for name in error.instance:
                if name not in known:
                    yield Fault(f"{place}.{name}", "is not a known key here", closest(name, known))
        case "type":
            kinds = cast("list[str]", limit if isinstance(limit, list) else [limit])
            yield Fault(place, "must be " + " or ".join(_WORDS[kind] for kind in kinds))
        case "enum":
            texts = [one if isinstance(one, str) else to_json(one) for one in limit]
            yield Fault(place, f"must be one of {_shown(', '.join(texts))}", closest(str(error.instance), texts))
        case keyword:
            words = _LIMITS.get(str(keyword), f"does not fit '{keyword}'")
            yield Fault(place, words.format(_shown(limit if isinstance(limit, str) else to_json(limit))))


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


class _TooMuch(Exception):
    """A value that would take too long to judge."""


@cache
def _validator() -> Callable[..., Any]:
    """The library's validator, but for what would take more than linear time, and for MAX_STEPS checks at most.

    It is kept, because making one takes longer than judging the arguments of a call.
    """
    library: Any = jsonschema.validators
    checks: dict[str, Any] = {**_LIBRARY.VALIDATORS, "pattern": _check_pattern, "uniqueItems": _check_unique}

    def counted(check: Any) -> Any:
        def run(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            if next(_steps.get()) > MAX_STEPS:
                raise _TooMuch
            return check(validator, value, instance, schema)

        return run

    return library.extend(_LIBRARY, {keyword: counted(check) for keyword, check in checks.items()})


def _check_pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    found = compiled(pattern)
    if isinstance(instance, str) and (found is None or not found.search(instance)):
        yield jsonschema.ValidationError("pattern")


def _check_unique(_validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:  # noqa: FBT001 - called by jsonschema
    if wanted and isinstance(instance, list):
        items = cast("list[Any]", instance)
        if len({to_json(item) for item in items}) < len(items):
            yield jsonschema.ValidationError("uniqueItems")
