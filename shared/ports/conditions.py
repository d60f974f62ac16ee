"""Conditions in definitions: CEL expressions over a node's scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Conditions(Protocol):
    """Evaluates conditions; they can read the scope and nothing else."""

    def fault(self, condition: str) -> str | None:
        """What is wrong with the expression's form; None if it is well formed."""
        ...

    def holds(self, condition: str, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is true in `scope`.

        Raises:
            shared.domain.errors.FailedPrecondition: it is malformed, refers to nothing, or is neither true nor false.
        """
        ...
