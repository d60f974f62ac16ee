"""`Conditions` by a CEL interpreter, which is imported with the first condition.

CEL has no loops but its macros, which go over lists that are there. Nested, or over lists that are added up, they take
as long as somebody wants, and the interpreter knows no limit and lets no other thread run: such conditions are
evaluated in a process of their own, which is stopped.

Source: https://github.com/cel-expr/cel-spec/blob/master/doc/langdef.md#macros
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.adapters.cel.evaluation import judge, misfit
from shared.domain.errors import FailedPrecondition
from shared.processes.limited_process import MEMORY_BYTES, run_limited

WORK_SECONDS = 2
"""Of the processor, for a condition in a process of its own."""
_WAIT_SECONDS = 30.0
_PROGRAM = Path(__file__).parent / "condition_program.py"
_MACRO = re.compile(r"\b(all|exists|exists_one|existsOne|map|filter)\s*\(")
_MOST_SUMS = 8


class CelConditions:
    """CEL as its specification has it, within limits of time and memory."""

    def names(self, condition: str) -> list[str]:
        """The names that the expression refers to, also those of its macros and types."""
        from cel.cel import compile as compile_condition

        try:
            return list(compile_condition(condition).variables())
        except ValueError as error:
            raise FailedPrecondition(str(error).partition("\n")[0]) from error

    async def misfit(self, condition: str, sample: Mapping[str, Any]) -> str | None:
        """Why the expression does not fit values of the types in `sample`; None if it does, or nobody can say."""
        if is_quick(condition):
            return misfit(condition, sample)
        try:
            result: str | None = await _evaluate_apart(condition, sample, judges=False)
        except TimeoutError:
            return _too_slow()
        return result

    async def holds(self, condition: str, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is true in `scope`."""
        if is_quick(condition):
            result = judge(condition, scope)
        else:
            try:
                result = await _evaluate_apart(condition, scope, judges=True)
            except TimeoutError:
                result = _too_slow()
        if isinstance(result, str):
            raise FailedPrecondition(f"the condition '{condition}' {result}")
        return result


def is_quick(condition: str) -> bool:
    """Whether the condition takes little time whatever it is given: it has no macro, and adds up little."""
    return _MACRO.search(condition) is None and condition.count("+") <= _MOST_SUMS


def _too_slow() -> str:
    return f"takes more than {WORK_SECONDS} seconds, or too much memory"


async def _evaluate_apart(condition: str, scope: Mapping[str, Any], *, judges: bool) -> Any:
    """What the program says.

    Raises:
        TimeoutError: it was stopped at a limit.
    """
    asked = json.dumps({"condition": condition, "scope": dict(scope), "judges": judges}).encode()
    printed = await run_limited(_PROGRAM, asked, WORK_SECONDS, MEMORY_BYTES, seconds=_WAIT_SECONDS)
    if not printed:
        raise TimeoutError
    return json.loads(printed)["result"]
