"""What requests about agents carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.agents import AgentType, Draft, Scope
from shared.domain.definition_faults import parse_definition
from shared.domain.pages import DEFAULT_LIMIT, MAX_LIMIT
from shared.edge.definition_body import MEDIA_TYPES, parse_body
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.id_source import Ids

DEFINITION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A definition, in YAML or JSON. `GET /agents/schema` has its schema.",
        "content": {
            media_type: {"schema": {"type": "object", "title": "AgentDefinition"}} for media_type in MEDIA_TYPES[:3]
        },
    }
}
"""For a route's `openapi_extra`: its handler reads the body itself."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The ports that the routes of agents need."""

    documents: Documents
    clock: Clock
    ids: Ids


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    page_token: str | None = Field(default=None, max_length=2000, description="`next_page_token` of the page before.")


class AgentQuery(PageQuery):
    """Which agents."""

    scope: Scope | None = Field(default=None, description="`system` lists everybody's system agents.")
    type: AgentType | None = None
    name: str | None = Field(default=None, max_length=64, description="Exactly this name.")


async def read_draft(
    request: Request,
    changelog: Annotated[str, Query(max_length=4000, description="What is new in this version.")] = "",
) -> Draft:
    """The definition in the body, checked.

    Raises:
        UnsupportedMediaType: the body is neither YAML nor JSON.
        InvalidArgument: with everything that is wrong with the definition.
    """
    raw = parse_body(await request.body(), request.headers.get("content-type"))
    return Draft(definition=parse_definition(raw), raw=raw, changelog=changelog)


DraftBody = Annotated[Draft, Depends(read_draft)]
"""As a route's parameter: the checked definition in the body."""
