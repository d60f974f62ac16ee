"""`Conditions` by a CEL interpreter, which is imported with the first condition.

Source: https://github.com/hardbyte/python-common-expression-language
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import FailedPrecondition


class CelConditions:
    """CEL as its specification has it: no effects, and no loops but over lists that are there."""

    def names(self, condition: str) -> list[str]:
        """The names that the expression refers to, also those of its macros and types."""
        from cel.cel import compile as compile_condition

        try:
            return list(compile_condition(condition).variables())
        except ValueError as error:
            raise FailedPrecondition(str(error).partition("\n")[0]) from error

    def misfit(self, condition: str, sample: Mapping[str, Any]) -> str | None:
        """Why the expression does not fit values of the types in `sample`; None if it does, or nobody can say."""
        from cel.cel import evaluate

        try:
            value: object = evaluate(condition, dict(sample))
        except TypeError as error:
            return f"does not fit the types of what it compares: {str(error).partition('.')[0]}"
        except (ValueError, KeyError, RuntimeError, ArithmeticError):
            return None
        return None if isinstance(value, bool) else f"yields {type(value).__name__}, not true or false"

    def holds(self, condition: str, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is true in `scope`."""
        from cel.cel import evaluate

        try:
            value: object = evaluate(condition, dict(scope))
        except (ValueError, KeyError, TypeError, RuntimeError, ArithmeticError) as error:
            raise FailedPrecondition(f"the condition '{condition}' cannot be evaluated: {error}") from error
        if not isinstance(value, bool):
            raise FailedPrecondition(f"the condition '{condition}' yields {type(value).__name__}, not true or false")
        return value
