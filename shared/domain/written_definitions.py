"""A definition as its author wrote it: read as far as it has the right form, so that checks find more than its form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast


def fields_of(written: Any) -> Mapping[str, Any]:
    """The map that stands here; an empty one where something else does, which is told elsewhere."""
    return cast("Mapping[str, Any]", written) if isinstance(written, dict) else {}


def items_of(written: Any) -> list[Any]:
    """The list that stands here; an empty one where something else does, likewise."""
    return cast("list[Any]", written) if isinstance(written, list) else []


def parts_in(path: str, written: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every part of a definition that may name a model or tools, with its path: agents, those they ask, and nodes.

    Args:
        path: of `written`, with a dot at its end; empty for the whole definition.
        written: the definition, or a part of it.
    """
    yield path, written
    for name, below in fields_of(written.get("agents")).items():
        yield from parts_in(f"{path}agents.{name}.", fields_of(below))
    for name, node in fields_of(fields_of(written.get("graph")).get("nodes")).items():
        yield from parts_in(f"{path}graph.nodes.{name}.", fields_of(node))
    for key in ("body", "fallback"):
        if isinstance(written.get(key), dict):
            yield from parts_in(f"{path}{key}.", fields_of(written[key]))
