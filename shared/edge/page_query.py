"""How requests ask for a page of a list."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.pages import DEFAULT_LIMIT, MAX_LIMIT


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    page_token: str | None = Field(default=None, max_length=2000, description="`next_page_token` of the page before.")
