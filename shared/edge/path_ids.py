"""Ids in paths and bodies: what cannot be an id of ours names nothing, so it is not found rather than malformed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from shared.domain.errors import NotFound

_ID = re.compile(r"[A-Za-z0-9]{1,64}")


def is_id(text: str) -> bool:
    """Whether this can be an id of ours."""
    return _ID.fullmatch(text) is not None


def _named(text: str) -> str:
    if not is_id(text):
        raise NotFound(f"There is nothing with the id {text[:80]!r}.")
    return text


ResourceId = Annotated[str, AfterValidator(_named)]
"""As a parameter or a field: the opaque id of a stored thing."""
