"""Templates over a run's input and earlier outputs: only paths, so there is nothing in them to break out of.

`{{ review.output.paths[0] }}` looks a value up. A template that is nothing but one placeholder yields the value itself;
otherwise values are put into the text (text as it is, anything else as JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.errors import FailedPrecondition

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"\s*([a-z_][a-z0-9_]*)((?:\.[A-Za-z0-9_-]+|\[[0-9]+\])*)\s*", re.ASCII)
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]+)\]", re.ASCII)


def references(template: Any) -> tuple[str, ...]:
    """The root names that a template (or a tree of lists and maps of templates) refers to, in order, once each."""
    roots: dict[str, None] = {}
    for text in _texts(template):
        for match in _PLACEHOLDER.finditer(text):
            path = _PATH.fullmatch(match[1])
            if path:
                roots[path[1]] = None
    return tuple(roots)


def paths(template: Any) -> tuple[tuple[str, ...], ...]:
    """The paths that a template tree refers to, each as its root and the steps after it, in order, once each."""
    found: dict[tuple[str, ...], None] = {}
    for text in _texts(template):
        for match in _PLACEHOLDER.finditer(text):
            path = _PATH.fullmatch(match[1])
            if path:
                found[path[1], *(name or position for name, position in _STEP.findall(path[2]))] = None
    return tuple(found)


def malformed(template: Any) -> tuple[str, ...]:
    """The placeholders in a template tree that are not paths."""
    return tuple(
        match[0] for text in _texts(template) for match in _PLACEHOLDER.finditer(text) if not _PATH.fullmatch(match[1])
    )


def render_template(template: Any, scope: Mapping[str, Any]) -> Any:
    """Fill in a template tree from `scope`.

    Raises:
        FailedPrecondition: a placeholder is not a path, or names nothing in the scope.
    """
    if isinstance(template, str):
        return _render_text(template, scope)
    if isinstance(template, Mapping):
        return {key: render_template(value, scope) for key, value in template.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(template, list | tuple):
        return [render_template(value, scope) for value in template]  # pyright: ignore[reportUnknownVariableType]
    return template


def as_text(value: Any) -> str:
    """A value as a person reads it: text as it is, nothing for null, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _render_text(template: str, scope: Mapping[str, Any]) -> Any:
    whole = _PLACEHOLDER.fullmatch(template.strip())
    if whole and "}}" not in whole[1]:
        return _look_up(whole[1], scope)
    return _PLACEHOLDER.sub(lambda match: as_text(_look_up(match[1], scope)), template)


def _look_up(expression: str, scope: Mapping[str, Any]) -> Any:
    path = _PATH.fullmatch(expression)
    if path is None:
        raise FailedPrecondition(f"'{{{{{expression}}}}}' is not a path such as {{{{ node.output }}}}")
    if path[1] not in scope:
        raise FailedPrecondition(f"template refers to '{path[1]}', which is not defined here")
    value: Any = scope[path[1]]
    for name, position in _STEP.findall(path[2]):
        try:
            value = value[int(position)] if position else value[name]
        except (KeyError, IndexError, TypeError):
            raise FailedPrecondition(
                f"template path '{expression.strip()}' finds nothing at '{position or name}'"
            ) from None
    return value


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for value in template.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(value)
    elif isinstance(template, list | tuple):
        for value in template:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(value)
