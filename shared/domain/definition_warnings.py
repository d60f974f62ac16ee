"""What an author should know of a definition that is none the less valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.definition_models import retirement_of
from shared.domain.errors import Fault
from shared.domain.run_bounds import PlanBounds, bound_warnings
from shared.domain.templates import paths
from shared.domain.tool_checks import unused_tools


def warnings_of(raw: Any, bounds: PlanBounds | None = None) -> tuple[Fault, ...]:
    """Retired models, each with the nearest current one; inputs that a prompt needs and a run may lack; idle tools.

    Where its bounds are known: a budget that a run may cross.
    """
    if not isinstance(raw, dict):
        return ()
    raw = cast("dict[str, Any]", raw)
    return (*_retirements(raw), *_optional_inputs(raw), *unused_tools(raw), *_crossed_budget(raw, bounds))


def _crossed_budget(raw: Mapping[str, Any], bounds: PlanBounds | None) -> Iterator[Fault]:
    most = _fields(raw.get("budget")).get("cost_usd_micros")
    if bounds is not None and isinstance(most, int):
        yield from bound_warnings(bounds, most)


def _retirements(raw: Mapping[str, Any]) -> Iterator[Fault]:
    for path, model in _models("", raw):
        short = isinstance(model, str)
        provider, _, name = model.partition(":") if short else ("", "", _fields(model).get("model"))
        found = retirement_of(name) if isinstance(name, str) else None
        if found is not None:
            place = path if short else f"{path}.model"
            suggestion = f"{provider}:{found.nearest}" if short else found.nearest
            yield Fault(place, f"{name} is retired, or will be: its last day is {found.day}", suggestion)


def _models(path: str, raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every place that names a model: of the agent itself, of those that it asks, of nodes."""
    if "model" in raw:
        yield f"{path}model", raw["model"]
    for name, below in _fields(raw.get("agents")).items():
        yield from _models(f"{path}agents.{name}.", _fields(below))
    for name, node in _fields(_fields(raw.get("graph")).get("nodes")).items():
        yield from _models(f"{path}graph.nodes.{name}.", _fields(node))
    for key in ("body", "fallback"):
        if isinstance(raw.get(key), dict):
            yield from _models(f"{path}{key}.", _fields(raw[key]))


def _optional_inputs(raw: Mapping[str, Any]) -> Iterator[Fault]:
    schema = _fields(raw.get("input_schema"))
    required: Any = schema.get("required")
    needed = cast("list[Any]", required) if isinstance(required, list) else []
    for root, *steps in paths(raw.get("prompt", "")):
        if root != "input" or not steps or steps[0] in needed:
            continue
        part: Any = _fields(schema.get("properties")).get(steps[0])
        if isinstance(part, dict) and "default" not in part:
            reason = f"needs {{{{ input.{steps[0]} }}}}, which the input_schema neither requires nor gives a default"
            yield Fault("prompt", reason)


def _fields(raw: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", raw) if isinstance(raw, dict) else {}
