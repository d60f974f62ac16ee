"""Templates: definitions with parameters, of which agents are made.

A template has `parameters`, a JSON Schema with a default for each property; anywhere else in it `${name}` stands for a
parameter. A text that is nothing but one such place becomes the value itself, a number or a list, say. What `{{ }}`
stands for is looked up only when an agent runs, so no value may hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.definition_schemas import schema_faults, value_faults, with_defaults
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.suggestions import closest
from shared.domain.templates import as_text

_PLACE = re.compile(r"\$\{([^{}]*)\}")


def template_faults(raw: Mapping[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with a template as such; what it makes is judged as any definition is."""
    faults = schema_faults("parameters", raw["parameters"])
    if faults:
        return faults
    properties: Mapping[str, Any] = raw["parameters"].get("properties", {})
    lacking = [name for name, part in properties.items() if not isinstance(part, dict) or "default" not in part]
    faults = tuple(Fault(f"parameters.properties.{name}", "must have a default") for name in lacking)
    if not lacking:
        defaults = with_defaults(raw["parameters"], {})
        faults += tuple(_told_of_defaults(value_faults("", raw["parameters"], defaults)))
        faults += tuple(_injections("parameters.properties", defaults))
    return faults + tuple(_unknown("", {key: raw[key] for key in raw if key != "parameters"}, properties))


def fill_template(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that a template without faults makes with these parameters.

    Raises:
        InvalidArgument: with everything that is wrong with the values.
    """
    schema: Mapping[str, Any] = raw["parameters"]
    faults = (*value_faults("parameters", schema, values), *_injections("parameters", values))
    if faults:
        raise InvalidArgument("The parameters do not fit the template.", tuple(faults))
    filled = with_defaults(schema, values)
    return {key: _fill(value, filled) for key, value in raw.items() if key != "parameters"}


def _fill(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(below, values) for key, below in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_fill(below, values) for below in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value.strip())
    return values[whole[1]] if whole else _PLACE.sub(lambda place: as_text(values[place[1]]), value)


def _unknown(path: str, value: Any, known: Mapping[str, Any]) -> Iterator[Fault]:
    if isinstance(value, dict):
        for key, below in cast("dict[str, Any]", value).items():
            yield from _unknown(f"{path}.{key}" if path else key, below, known)
    elif isinstance(value, list):
        for position, below in enumerate(cast("list[Any]", value)):
            yield from _unknown(f"{path}.{position}", below, known)
    elif isinstance(value, str):
        for place in _PLACE.finditer(value):
            if place[1] not in known:
                found = closest(place[1], known)
                yield Fault(path, f"there is no parameter '{place[1][:100]}'", found and f"${{{found}}}")


def _injections(path: str, value: Any) -> Iterator[Fault]:
    """What would become a placeholder of the agent's own, or of the template."""
    if isinstance(value, dict):
        for key, below in cast("dict[str, Any]", value).items():
            yield from _injections(f"{path}.{key}", below)
    elif isinstance(value, list):
        for position, below in enumerate(cast("list[Any]", value)):
            yield from _injections(f"{path}.{position}", below)
    elif isinstance(value, str) and any(mark in value for mark in ("{{", "}}", "${")):
        yield Fault(path, "must not hold '{{', '}}' or '${', which would stand for something else")


def _told_of_defaults(faults: tuple[Fault, ...]) -> Iterator[Fault]:
    for fault in faults:
        name = fault.path.removeprefix(".").partition(".")[0]
        yield Fault(f"parameters.properties.{name}.default", fault.reason, fault.suggestion)
