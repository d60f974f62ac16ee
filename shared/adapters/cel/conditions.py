"""`Conditions` by a CEL interpreter, which is imported with the first condition.

Source: https://github.com/hardbyte/python-common-expression-language
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import FailedPrecondition


class CelConditions:
    """CEL as its specification has it: no effects, and no loops but over lists that are there."""

    def fault(self, condition: str) -> str | None:
        """What is wrong with the expression's form; None if it is well formed."""
        from cel.cel import compile as compile_condition

        try:
            compile_condition(condition)
        except ValueError as error:
            return str(error).partition("\n")[0]
        return None

    def holds(self, condition: str, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is true in `scope`."""
        from cel.cel import evaluate

        try:
            value: object = evaluate(condition, dict(scope))
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise FailedPrecondition(f"the condition '{condition}' cannot be evaluated: {error}") from error
        if not isinstance(value, bool):
            raise FailedPrecondition(f"the condition '{condition}' yields {type(value).__name__}, not true or false")
        return value
