"""What the interpreter makes of a condition, as plain values: evaluated here, or in a process of its own.

Source: https://github.com/hardbyte/python-common-expression-language
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FAULTS = (ValueError, KeyError, RuntimeError, ArithmeticError)
"""What the interpreter raises for a condition that fails, beside the TypeError of values that do not fit."""
_NAMES = {"str": "string", "float": "double", "dict": "map", "NoneType": "null"}
"""What CEL calls the types that Python calls otherwise."""


def misfit(condition: str, sample: Mapping[str, Any]) -> str | None:
    """Why the expression does not fit values of the types in `sample`; None if it does, or nobody can say."""
    from cel.cel import evaluate

    try:
        value: object = evaluate(condition, dict(sample))
    except TypeError as error:
        return f"does not fit the types of what it compares: {str(error).partition('.')[0]}"
    except FAULTS:
        return None
    return None if isinstance(value, bool) else _no_bool(value)


def judge(condition: str, scope: Mapping[str, Any]) -> bool | str:
    """Whether the condition is true in `scope`, or why nobody can say."""
    from cel.cel import evaluate

    try:
        value: object = evaluate(condition, dict(scope))
    except KeyError as error:
        return f"cannot be evaluated: there is no {error}"
    except (*FAULTS, TypeError) as error:
        return f"cannot be evaluated: {error}"
    return value if isinstance(value, bool) else _no_bool(value)


def _no_bool(value: object) -> str:
    name = type(value).__name__
    return f"yields {_NAMES.get(name, name)}, not true or false"
