"""Which keys a part of a definition may have, found by walking the types along the author's own text."""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from shared.domain.definition_parts import Strict
from shared.domain.definitions import AgentDefinition


def keys_at(path: Sequence[str], raw: Any) -> tuple[str, ...]:
    """The keys that are known in the map at `path`; none where the place has no fixed keys."""
    models = _models_of(AgentDefinition, raw)
    kinds: list[Any] = list(models)
    here = raw
    for step in path:
        here = _child(here, step)
        kinds = [found for kind in kinds for field in _fields(kind, step) for found in _open(field, here)]
    return tuple(
        key for kind in kinds if isinstance(kind, type) and issubclass(kind, Strict) for key in kind.model_fields
    )


def _child(here: Any, step: str) -> Any:
    if isinstance(here, list):
        return cast("list[Any]", here)[int(step)]
    return cast("dict[str, Any]", here).get(step)


def _fields(kind: Any, step: str) -> list[Any]:
    """The types that may stand at `step` below a value of type `kind`."""
    if isinstance(kind, type) and issubclass(kind, Strict):
        field = kind.model_fields.get(step)
        return [field.annotation] if field else []
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return [arguments[1]]
    return [arguments[0]] if get_origin(kind) is tuple else []


def _open(annotation: Any, here: Any) -> list[Any]:
    """The types that an annotation stands for; of several kinds of nodes, the one that is named."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _open(get_args(annotation)[0], here)
    if origin in {Union, UnionType}:
        return [found for member in get_args(annotation) for found in _open(member, here)]
    return _models_of(annotation, here)


def _models_of(kind: Any, here: Any) -> list[Any]:
    if not (isinstance(kind, type) and issubclass(kind, Strict) and "kind" in kind.model_fields):
        return [kind]
    named = cast("dict[str, Any]", here).get("kind") if isinstance(here, dict) else None
    return [kind] if named in get_args(kind.model_fields["kind"].annotation) else []
