"""Conditions in definitions: CEL expressions over a node's scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Conditions(Protocol):
    """Evaluates conditions; they can read the scope and nothing else."""

    def names(self, condition: str) -> list[str]:
        """The names that the expression refers to, also those of its macros and types.

        Raises:
            shared.domain.errors.FailedPrecondition: it is malformed.
        """
        ...

    async def misfit(self, condition: str, sample: Mapping[str, Any]) -> str | None:
        """Why the expression does not fit values of the types in `sample`; None if it does, or nobody can say."""
        ...

    async def holds(self, condition: str, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is true in `scope`.

        Raises:
            shared.domain.errors.FailedPrecondition: it is malformed, refers to nothing, is neither true nor false, or
                takes too long.
        """
        ...
