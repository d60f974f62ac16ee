"""Who may read what somebody owns, as requests and answers say it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

ReaderId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$", description="A person's id; `me` for you.")
]
"""As a route's parameter: one of the readers."""


class ReaderBody(BaseModel):
    """Who is to read something."""

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(
        min_length=1,
        max_length=254,
        description="A username, an email address that its owner has verified, or a person's id.",
    )


class PersonView(BaseModel):
    """Somebody who may read something."""

    model_config = ConfigDict(from_attributes=True)

    uid: str
    username: str | None
    display_name: str | None
