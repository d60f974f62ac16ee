"""What an author should know of a definition that is none the less valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.definition_models import retirement_of
from shared.domain.errors import Fault
from shared.domain.run_bounds import PlanBounds, bound_warnings
from shared.domain.templates import paths
from shared.domain.tool_checks import unused_tools
from shared.domain.written_definitions import fields_of, parts_in


def warnings_of(raw: Any, bounds: PlanBounds | None = None) -> tuple[Fault, ...]:
    """Retired models, each with the nearest current one; inputs that a prompt needs and a run may lack; idle tools.

    Where its bounds are known: a budget that a run may cross.
    """
    if not isinstance(raw, dict):
        return ()
    raw = cast("dict[str, Any]", raw)
    return (*_retirements(raw), *_optional_inputs(raw), *unused_tools(raw), *_crossed_budget(raw, bounds))


def _crossed_budget(raw: Mapping[str, Any], bounds: PlanBounds | None) -> Iterator[Fault]:
    most = fields_of(raw.get("budget")).get("cost_usd_micros")
    if bounds is not None and isinstance(most, int):
        yield from bound_warnings(bounds, most)


def _retirements(raw: Mapping[str, Any]) -> Iterator[Fault]:
    for path, part in parts_in("", raw):
        model = part.get("model")
        short = isinstance(model, str)
        provider, _, name = model.partition(":") if short else ("", "", fields_of(model).get("model"))
        found = retirement_of(name) if isinstance(name, str) else None
        if found is not None:
            place = f"{path}model" if short else f"{path}model.model"
            suggestion = f"{provider}:{found.nearest}" if short else found.nearest
            yield Fault(place, f"{name} is retired, or will be: its last day is {found.day}", suggestion)


def _optional_inputs(raw: Mapping[str, Any]) -> Iterator[Fault]:
    schema = fields_of(raw.get("input_schema"))
    required: Any = schema.get("required")
    needed = cast("list[Any]", required) if isinstance(required, list) else []
    for root, *steps in paths(raw.get("prompt", "")):
        if root != "input" or not steps or steps[0] in needed:
            continue
        part: Any = fields_of(schema.get("properties")).get(steps[0])
        if isinstance(part, dict) and "default" not in part:
            reason = f"needs {{{{ input.{steps[0]} }}}}, which the input_schema neither requires nor gives a default"
            yield Fault("prompt", reason)
