"""The HTTP face of sharing agents: parse, call a use case, render."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from functions.agents.views import AgentView, view_agent
from shared.domain.grants import MAX_DAILY_COST_USD_MICROS, MAX_GRANTED_RUNS, Constraints, Permission
from shared.domain.ids import AgentId, Uid
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.ports.identity import Identity
from shared.usecases.grants.list_grants import KnownGrant, get_grant, list_grants, with_grantees
from shared.usecases.grants.list_shared_agents import list_shared_agents
from shared.usecases.grants.open_agent import OpenedAgent
from shared.usecases.grants.put_grant import NewGrant, put_grant
from shared.usecases.grants.revoke_grant import revoke_grant
from shared.usecases.grants.sharing import Sharing

Grantee = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$", description="A person's id, `me` for you, or `everyone`.")
]


class ConstraintsShape(BaseModel):
    """Where a grant ends; what is left out does not constrain."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    expires_at: AwareDatetime | None = Field(default=None, description="From this instant on there is no grant.")
    max_runs: int | None = Field(
        default=None, ge=1, le=MAX_GRANTED_RUNS, description="So many runs in all, of everybody who uses the grant."
    )
    max_cost_usd_micros_per_day: int | None = Field(
        default=None,
        ge=1,
        le=MAX_DAILY_COST_USD_MICROS,
        description="What all runs under the grant may cost in a day (UTC).",
    )


class GrantBody(BaseModel):
    """A right on an agent."""

    model_config = ConfigDict(extra="forbid")

    grantee: str = Field(
        min_length=1,
        max_length=254,
        description="A username, an email address that its owner has verified, a person's id, or `everyone`.",
    )
    permission: Permission = Field(description="Each includes those before it: view, run, edit, admin.")
    constraints: ConstraintsShape = ConstraintsShape()


class GrantView(BaseModel):
    """A grant, and who holds it."""

    agent_id: str
    grantee_uid: str = Field(description="A person's id, or `everyone`.")
    username: str | None
    display_name: str | None
    permission: Permission
    constraints: ConstraintsShape
    runs_used: int = Field(description="Counted only where runs are limited.")
    granted_at: datetime
    granted_by: str


class GrantPage(BaseModel):
    """Grants, in the order of the grantees' ids."""

    items: list[GrantView]
    next_page_token: str | None


class SharedAgentView(AgentView):
    """An agent that was shared with you, and what you may do with it."""

    permission: Permission


class SharedAgentPage(BaseModel):
    """Agents that were shared with you; a page may have fewer than its limit."""

    items: list[SharedAgentView]
    next_page_token: str | None


def sharing_routes(sharing: Sharing) -> APIRouter:
    """The route that lists what others shared; it goes before those of single agents, which have an id in its place."""
    router = APIRouter(tags=["grants"], route_class=JsonRoute)

    @router.get("/agents/shared", responses=problem_responses(400, 401))
    async def find_shared(caller: Caller, query: Annotated[PageQuery, Query()]) -> SharedAgentPage:
        """List the agents that others shared with you."""
        page = await list_shared_agents(sharing.documents, caller, query.limit, query.page_token)
        return SharedAgentPage(items=[_shared(one) for one in page.items], next_page_token=page.next_page_token)

    return router


def grant_routes(sharing: Sharing) -> APIRouter:
    """The routes of an agent's grants."""
    router = APIRouter(tags=["grants"], route_class=JsonRoute)

    @router.post("/agents/{agent_id}/grants", responses=problem_responses(400, 401, 403, 404, 409, 503))
    async def grant(caller: Caller, agent_id: ResourceId, body: GrantBody, response: Response) -> GrantView:
        """Share an agent (201), or change what you shared with the same person (200)."""
        new = NewGrant(body.grantee, body.permission, Constraints(**body.constraints.model_dump()))
        given, is_first = await put_grant(sharing, caller, AgentId(agent_id), new)
        response.status_code = 201 if is_first else 200
        response.headers["Location"] = f"/agents/{agent_id}/grants/{given.grantee_uid}"
        return _render((await with_grantees(sharing.documents, [given]))[0])

    @router.get("/agents/{agent_id}/grants", responses=problem_responses(400, 401, 403, 404))
    async def find(caller: Caller, agent_id: ResourceId, query: Annotated[PageQuery, Query()]) -> GrantPage:
        """List who was granted what, by whom and when; for those who administer the agent."""
        page = await list_grants(sharing.documents, caller, AgentId(agent_id), query.limit, query.page_token)
        return GrantPage(items=[_render(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/agents/{agent_id}/grants/{grantee}", responses=problem_responses(400, 401, 403, 404))
    async def read(caller: Caller, agent_id: ResourceId, grantee: Grantee) -> GrantView:
        """Read one grant: yours, or any for those who administer the agent."""
        return _render(await get_grant(sharing.documents, caller, AgentId(agent_id), _meant(caller, grantee)))

    @router.delete("/agents/{agent_id}/grants/{grantee}", status_code=204, responses=problem_responses(401, 403, 404))
    async def revoke(caller: Caller, agent_id: ResourceId, grantee: Grantee) -> None:
        """Take a grant away at once; or give up your own."""
        await revoke_grant(sharing.documents, caller, AgentId(agent_id), _meant(caller, grantee))

    return router


def _meant(caller: Identity, grantee: str) -> Uid:
    return caller.uid if grantee == "me" else Uid(grantee)


def _render(known: KnownGrant) -> GrantView:
    grant = known.grant
    return GrantView(
        agent_id=grant.agent_id,
        grantee_uid=grant.grantee_uid,
        username=known.grantee.username if known.grantee else None,
        display_name=known.grantee.display_name if known.grantee else None,
        permission=grant.permission,
        constraints=ConstraintsShape.model_validate(grant.constraints),
        runs_used=grant.runs_used,
        granted_at=grant.granted_at,
        granted_by=grant.granted_by,
    )


def _shared(opened: OpenedAgent) -> SharedAgentView:
    assert opened.access.permission is not None  # noqa: S101 - it is visible
    return SharedAgentView(**view_agent(opened.agent).model_dump(), permission=opened.access.permission)
