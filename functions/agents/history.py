"""The HTTP face of what was decided about an agent: parse, call a use case, render."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from shared.domain.agent_history import Deed, Topic
from shared.domain.ids import AgentId
from shared.domain.records import from_json
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.ports.documents import Documents
from shared.usecases.agents.list_history import list_history


class HistoryQuery(PageQuery):
    """Which deeds."""

    topic: Topic | None = Field(default=None, description="Only about this; all that you may see if left out.")


class DeedView(BaseModel):
    """Something that was decided about an agent."""

    topic: Topic
    subject: str = Field(description="The alias, or the grantee.")
    by_uid: str = Field(description="Who did it.")
    at: datetime
    old: Any = Field(description="What held before: a version's number, or a grant's terms; null if nothing did.")
    new: Any = Field(description="What holds since; null if nothing does any more.")


class DeedPage(BaseModel):
    """Deeds, the latest first."""

    items: list[DeedView]
    next_page_token: str | None


def history_routes(documents: Documents) -> APIRouter:
    """The route of an agent's history."""
    router = APIRouter(tags=["agents"])

    @router.get("/agents/{agent_id}/history", responses=problem_responses(400, 401, 403, 404))
    async def find(caller: Caller, agent_id: ResourceId, query: Annotated[HistoryQuery, Query()]) -> DeedPage:
        """List who moved an alias from where to where and, if you administer the agent, who granted or revoked what."""
        ref = AgentId(agent_id)
        page = await list_history(documents, caller, ref, query.topic, limit=query.limit, page_token=query.page_token)
        return DeedPage(items=[_render(deed) for deed in page.items], next_page_token=page.next_page_token)

    return router


def _render(deed: Deed) -> DeedView:
    return DeedView(
        topic=deed.topic,
        subject=deed.subject,
        by_uid=deed.by_uid,
        at=deed.at,
        old=from_json(deed.old_json),
        new=from_json(deed.new_json),
    )
