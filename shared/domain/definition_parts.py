"""What every part of a definition is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class Strict(BaseModel):
    """A part of a definition: immutable, and unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)
