"""Patterns in JSON Schemas that authors write: regular expressions that take linear time, or none."""

from __future__ import annotations

from functools import cache
from typing import Any


def compiled(pattern: str) -> Any:
    """The pattern, ready to search with in linear time; None where RE2 does not understand it."""
    re2 = _re2()
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


@cache
def _re2() -> Any:
    import re2  # noqa: PLC0415 - only where a schema has a pattern

    return re2
