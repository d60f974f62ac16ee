"""What a run takes in, as requests say it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def _read(value: Any) -> Any:
    """One reason where it is neither, instead of one for each kind that it is not."""
    if not isinstance(value, str | dict):
        raise ValueError("must be text or an object")  # noqa: TRY004 - of which Pydantic makes a fault
    return value  # pyright: ignore[reportUnknownVariableType] - JSON has only texts for keys


RunInput = Annotated[str | dict[str, Any], BeforeValidator(_read)]
"""As a field: text, or an object."""
