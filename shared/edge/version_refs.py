"""How requests name a version of an agent: by its number, or by a name that means one."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DESCRIPTION = "A version: its number, an alias such as `prod`, `latest`, or `draft`."


def _read(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ValueError("must be a number from 1, or a name: an alias, 'latest' or 'draft'")


VersionRefParameter = Annotated[int | str, BeforeValidator(_read), Field(description=_DESCRIPTION)]
"""As a parameter or a field: what names a version."""
