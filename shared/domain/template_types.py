"""What templates yield, as far as it is known before a run, and whether that fits what takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from shared.domain.errors import Fault
from shared.domain.suggestions import closest
from shared.domain.templates import paths
from shared.domain.value_types import (
    ANYTHING,
    TEXT,
    Schema,
    as_schema,
    at,
    closed,
    is_a,
    is_closed,
    item_of,
    kinds,
    part_of,
    properties_of,
    words,
)

_WHOLE = re.compile(r"\s*\{\{([^{}]*)\}\}\s*")
_LITERALS: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
_NUMBERS = frozenset({"integer", "number"})
_SCALARS = frozenset({"string", "boolean"}) | _NUMBERS
# Pydantic reads "10" and true for 10, but makes no text of a number.
# Source: https://docs.pydantic.dev/latest/concepts/conversion_table/
_LENIENT = {"integer": _SCALARS, "number": _SCALARS, "boolean": _SCALARS}
_STRICT = {"integer": _NUMBERS, "number": _NUMBERS}


def template_faults(path: str, template: Any, scope: Mapping[str, Schema]) -> Iterator[Fault]:
    """Paths in a template tree that lead to nothing."""
    for root, *steps in paths(template):
        yield from path_faults(path, root, steps, scope)


def path_faults(path: str, root: str, steps: Sequence[str], scope: Mapping[str, Schema]) -> Iterator[Fault]:
    """That a path leads to nothing, as far as that is known; names that are not known are told elsewhere."""
    for count in range(len(steps) if root in scope else 0):
        reason = at(scope[root], steps[: count + 1])
        if isinstance(reason, str):
            yield Fault(path, f"'{'.'.join((root, *steps[:count]))}' {reason}")
            return


def value_of(template: Any, scope: Mapping[str, Schema]) -> Schema:
    """The type of what a template yields."""
    match template:
        case str():
            return _of_text(template, scope)
        case dict():
            parts = cast("Mapping[str, Any]", template)
            return closed(**{str(key): value_of(part, scope) for key, part in parts.items()})
        case list():
            return {"type": "array", "prefixItems": [value_of(one, scope) for one in cast("list[Any]", template)]}
        case _:
            return {"type": _LITERALS[type(template)]} if type(template) in _LITERALS else ANYTHING


def _of_text(template: str, scope: Mapping[str, Schema]) -> Schema:
    if not _WHOLE.fullmatch(template):
        return TEXT
    root, *steps = next(iter(paths(template)), ("",))
    found = at(scope[root], steps) if root in scope else ANYTHING
    return ANYTHING if isinstance(found, str) else found


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether what templates yield is what is wanted.

    Args:
        scope: the types of what templates begin with.
        lenient: the value is read as the arguments of built-in tools are.
    """

    scope: Mapping[str, Schema]
    lenient: bool = False

    def faults(self, path: str, template: Any, wanted: Schema) -> Iterator[Fault]:
        """Where what a template tree yields is of another type."""
        whole = _WHOLE.fullmatch(template) if isinstance(template, str) else None
        shown = whole[1].strip() if whole else None
        given = value_of(template, self.scope)
        if self._mismatches(given, wanted) or not isinstance(template, dict | list):
            yield from self._value_faults(path, shown, given, wanted)
        elif isinstance(template, dict):
            yield from self._map_faults(
                path, {str(key): part for key, part in cast("dict[Any, Any]", template).items()}, wanted
            )
        elif "prefixItems" not in wanted:
            for position, part in enumerate(cast("list[Any]", template)):
                yield from self.faults(f"{path}.{position}", part, item_of(wanted))

    def _mismatches(self, given: Schema, wanted: Schema) -> bool:
        taken = _LENIENT if self.lenient else _STRICT
        accepted = frozenset[str]().union(*(taken.get(kind, frozenset({kind})) for kind in kinds(wanted)))
        return not kinds(given) & accepted

    def _map_faults(self, path: str, template: Mapping[str, Any], wanted: Schema) -> Iterator[Fault]:
        for name in wanted.get("required", ()):
            if name not in template:
                needed = _needed(as_schema(properties_of(wanted).get(name)))
                yield Fault(f"{path}.{name}", f"is missing: it must be {needed}")
        for name, part in template.items():
            expected = part_of(wanted, name)
            if expected is None:
                yield Fault(f"{path}.{name}", "is not a known key here", closest(name, properties_of(wanted)))
            else:
                yield from self.faults(f"{path}.{name}", part, expected)

    def _value_faults(self, path: str, shown: str | None, given: Schema, wanted: Schema) -> Iterator[Fault]:
        """Of a value that is known by its type only, whole or in parts."""
        if self._mismatches(given, wanted):
            what = "this" if shown is None else f"{{{{ {shown} }}}}"
            reason = f"must be {words(kinds(wanted))}, and {what} is {words(kinds(given))}"
            yield Fault(path, reason, _advice(shown, given, wanted))
        elif shown is not None and is_a("object", given):
            yield from self._property_faults(path, shown, given, wanted)
        elif shown is not None and is_a("array", given) and not {"prefixItems"} & {*given, *wanted}:
            yield from self._value_faults(path, f"{shown}[0]", item_of(given), item_of(wanted))

    def _property_faults(self, path: str, shown: str, given: Schema, wanted: Schema) -> Iterator[Fault]:
        properties = properties_of(given)
        for name in wanted.get("required", ()):
            if is_closed(given) and name not in properties:
                needed = _needed(as_schema(properties_of(wanted).get(name)))
                reason = f"'{name}' must be {needed}, and {{{{ {shown} }}}} has none"
                yield Fault(path, reason, f"a map with '{name}' in place of {{{{ {shown} }}}}")
        for name in properties:
            expected = part_of(wanted, name)
            if expected is not None:
                yield from self._value_faults(path, f"{shown}.{name}", as_schema(properties[name]), expected)
            elif name in given.get("required", ()):
                reason = f"{{{{ {shown} }}}} has '{name}', which is not a known key here"
                yield Fault(path, reason, closest(name, properties_of(wanted)))


def _needed(wanted: Schema) -> str:
    """What is to be there, to follow 'must be'."""
    return words(kinds(wanted)) if "type" in wanted else "there"


def _advice(shown: str | None, given: Schema, wanted: Schema) -> str:
    """What to do where a value is of another type than is wanted."""
    have, need = kinds(given), kinds(wanted)
    if shown is None:
        return f"put {words(need)} here"
    if "array" in have and "object" not in need:
        return f"one of its items: {{{{ {shown}[0] }}}}; or a map, which does something with each"
    if "object" in have:
        return f"the part of it that is {words(need)}: {{{{ {shown}.{next(iter(properties_of(given)), 'name')} }}}}"
    if "array" in need:
        return f'a list of it: ["{{{{ {shown} }}}}"]'
    if "string" in need:
        return f"text that it becomes a part of: 'it is {{{{ {shown} }}}}'"
    return f'a map with it: {{name: "{{{{ {shown} }}}}"}}' if "object" in need else f"refer to {words(need)}"
