"""The arguments of a tool call against the tool's JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from shared.domain.definition_schemas import value_faults

_MOST_FAULTS = 20
_LONGEST_FAULT = 500


class ArgumentFaults(Exception):
    """What is wrong with the arguments of a call, one line each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        """Keep the lines."""
        super().__init__("\n".join(faults))
        self.faults = faults


class ArgumentSchema:
    """The schema of a tool's arguments."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Keep the schema, which has no faults (`shared.domain.definition_schemas`)."""
        self._schema = schema

    def fit(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the tool may have them.

        Models like to send null for "not given" and "10" for 10. Where the schema refuses that and what is meant
        would fit, it is taken as meant.

        Raises:
            ArgumentFaults: they do not fit.
        """
        faults = self._faults(arguments)
        if not faults:
            return arguments
        meant = self._as_meant(arguments)
        if meant != arguments and not self._faults(meant):
            return meant
        raise ArgumentFaults(faults)

    def _faults(self, arguments: dict[str, Any]) -> tuple[str, ...]:
        found = value_faults("arguments", self._schema, arguments)
        return tuple(f"{fault.path}: {fault.reason[:_LONGEST_FAULT]}" for fault in found[:_MOST_FAULTS])

    def _as_meant(self, arguments: dict[str, Any]) -> dict[str, Any]:
        properties = self._schema.get("properties", {})
        required = self._schema.get("required", ())
        return {
            name: _number_meant(value, properties.get(name))
            for name, value in arguments.items()
            if value is not None or name in required
        }


def _number_meant(value: object, schema: object) -> object:
    kind = cast("Mapping[str, Any]", schema).get("type") if isinstance(schema, Mapping) else None
    if not isinstance(value, str) or kind not in ("integer", "number"):
        return value
    try:
        return int(value) if kind == "integer" else float(value)
    except ValueError:
        return value
