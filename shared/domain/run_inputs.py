"""What a run takes in: text or an object, as the agent's `input_schema` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from shared.domain.definition_schemas import value_faults, with_defaults
from shared.domain.errors import InvalidArgument
from shared.domain.records import to_json

MAX_INPUT_CHARACTERS = 200_000


def check_input(value: Any) -> None:
    """Refuse what is no input of any agent.

    Raises:
        InvalidArgument: it is neither text nor an object, is empty text, or too long.
    """
    if not isinstance(value, str | dict):
        raise InvalidArgument("'input' must be text or an object")
    if isinstance(value, str) and not value.strip():
        raise InvalidArgument("'input' is empty")
    if len(to_json(value)) > MAX_INPUT_CHARACTERS:
        raise InvalidArgument(f"'input' is longer than {MAX_INPUT_CHARACTERS:,} characters; bring files as artifacts")


def fit_input(schema: Mapping[str, Any] | None, value: Any) -> dict[str, Any]:
    """The input as an object, with the schema's defaults for what is missing.

    Raises:
        InvalidArgument: with everything that does not fit the schema.
    """
    given = {"text": value} if isinstance(value, str) else cast("dict[str, Any]", value)
    if schema is None:
        return given
    filled = with_defaults(schema, given)
    if faults := value_faults("input", schema, filled):
        raise InvalidArgument("The input does not fit the agent's input_schema.", faults)
    return filled


def hand_over(schema: Mapping[str, Any] | None, value: Any) -> Any:
    """What a node gives to a kept agent or a subgraph, as the templates there see it; text is `{"text": …}`.

    Raises:
        InvalidArgument: it does not fit the agent's `input_schema`; the message names every fault.
    """
    given = {"text": value} if isinstance(value, str) else value
    if schema is None:
        return given
    if not isinstance(given, dict):
        raise InvalidArgument("the agent takes an object, and is given something else")
    try:
        return fit_input(schema, cast("dict[str, Any]", given))
    except InvalidArgument as error:
        told = "; ".join(f"{fault.path} {fault.reason}" for fault in error.faults)
        raise InvalidArgument(f"{error.message} {told}", error.faults) from None
