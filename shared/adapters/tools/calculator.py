"""The tool `calculator`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.workspace import Workspace
from shared.domain.arithmetic import calculate
from shared.domain.tool_arguments import CalculatorArguments


async def calculator(arguments: CalculatorArguments, _workspace: Workspace) -> dict[str, Any]:
    """The value: as text, because a JSON number would lose digits."""
    value = calculate(arguments.expression)
    return {"expression": arguments.expression, "result": value.text, "exact": value.exact}
