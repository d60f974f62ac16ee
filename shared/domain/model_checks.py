"""Whether a model that a definition names can be asked at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.domain.errors import Fault
from shared.domain.model_specs import ModelSpec
from shared.domain.suggestions import closest
from shared.domain.written_definitions import fields_of, items_of

_LOCAL_MODELS = ("extractive", "scripted")
_MODEL = TypeAdapter(ModelSpec)


def model_faults(path: str, raw: Any) -> Iterator[Fault]:
    """What is wrong with a model, as its author wrote it, besides its form."""
    try:
        model = _MODEL.validate_python(raw)
    except ValidationError:
        return
    place = path if isinstance(raw, str) else f"{path}.model"
    if model.provider == "local" and model.model not in _LOCAL_MODELS:
        prefix = "local:" if isinstance(raw, str) else ""
        found = closest(model.model, _LOCAL_MODELS) or "extractive"
        yield Fault(place, f"there is no local model '{model.model}'", f"{prefix}{found}")
    if model.provider == "default" and model.model != "default":
        yield Fault(place, "the deployment's own choice has no other name", "default")
    if model.script and (model.provider, model.model) != ("local", "scripted"):
        yield Fault(f"{path}.script", "only local:scripted plays a script")
    if model.usd_micros_per_token and (model.provider, model.model) != ("local", "scripted"):
        yield Fault(f"{path}.usd_micros_per_token", "only local:scripted says so itself; others have a price")
    for position, fallback in enumerate(items_of(fields_of(raw).get("fallbacks"))):
        yield from model_faults(f"{path}.fallbacks.{position}", fallback)
