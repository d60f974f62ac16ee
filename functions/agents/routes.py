"""The HTTP face of agents: parse, call a use case, render."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from functions.agents.requests import DEFINITION_BODY, AgentQuery, DraftBody, PageQuery, Shelf
from functions.agents.views import (
    AgentDetail,
    AgentPage,
    VersionDetail,
    VersionPage,
    render_agent,
    render_agents,
    render_version,
    render_versions,
)
from shared.domain.ids import AgentId, Uid
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.etags import etag_of, expected_version, is_known
from shared.edge.path_ids import ResourceId
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.list_agents import AgentSearch, list_agents, list_versions
from shared.usecases.agents.update_agent import update_agent

IfMatch = Annotated[str | None, Header(description="Only if this is the latest version's ETag.")]
IfNoneMatch = Annotated[str | None, Header(description="Answer 304 if this is the latest version's ETag.")]


def writing_routes(shelf: Shelf) -> APIRouter:
    """The routes that change agents."""
    router = APIRouter(tags=["agents"])

    @router.post(
        "/agents",
        status_code=201,
        openapi_extra=DEFINITION_BODY,
        responses=problem_responses(400, 401, 403, 409, 413, 415),
    )
    async def create(caller: Caller, draft: DraftBody, response: Response) -> AgentDetail:
        """Store a new agent with its first version."""
        agent, version = await create_agent(shelf.documents, shelf.clock, shelf.ids, caller, draft)
        response.headers["Location"] = f"/agents/{agent.id}"
        response.headers["ETag"] = etag_of(agent.head)
        return render_agent(agent, version)

    @router.put(
        "/agents/{agent_id}",
        openapi_extra=DEFINITION_BODY,
        responses=problem_responses(400, 401, 403, 404, 409, 412, 413, 415),
    )
    async def update(
        caller: Caller, agent_id: ResourceId, draft: DraftBody, response: Response, if_match: IfMatch = None
    ) -> AgentDetail:
        """Make the definition a new version, the latest; the versions before it stay as they are."""
        head = expected_version(if_match)
        agent, version = await update_agent(
            shelf.documents, shelf.clock, caller, AgentId(agent_id), draft, expected_head=head
        )
        response.headers["ETag"] = etag_of(agent.head)
        return render_agent(agent, version)

    @router.delete("/agents/{agent_id}", status_code=204, responses=problem_responses(401, 403, 404))
    async def delete(caller: Caller, agent_id: ResourceId) -> None:
        """Delete an agent; runs of its versions go on, and its name is free again."""
        await delete_agent(shelf.documents, shelf.clock, caller, AgentId(agent_id))

    return router


def reading_routes(shelf: Shelf) -> APIRouter:
    """The routes that show agents and versions."""
    router = APIRouter(tags=["agents"])

    @router.get("/agents", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[AgentQuery, Query()]) -> AgentPage:
        """List your agents, the newest first."""
        search = AgentSearch(None, query.scope, query.type, query.name, query.limit, query.page_token)
        return render_agents(await list_agents(shelf.documents, caller.uid, search))

    @router.get("/users/{user_id}/agents", responses=problem_responses(400, 401))
    async def find_of_user(caller: Caller, user_id: str, query: Annotated[PageQuery, Query()]) -> AgentPage:
        """List the agents of somebody that you may see, the newest first; `me` is you."""
        owner = caller.uid if user_id == "me" else Uid(user_id)
        search = AgentSearch(owner, limit=query.limit, page_token=query.page_token)
        return render_agents(await list_agents(shelf.documents, caller.uid, search))

    @router.get("/agents/{agent_id}", response_model=AgentDetail, responses=problem_responses(401, 404))
    async def read(caller: Caller, agent_id: ResourceId, response: Response, if_none_match: IfNoneMatch = None) -> Any:
        """Read an agent with the definition of its latest version."""
        agent = await get_agent(shelf.documents, caller.uid, AgentId(agent_id))
        etag = etag_of(agent.head)
        if is_known(etag, if_none_match):
            return Response(status_code=304, headers={"ETag": etag})
        response.headers["ETag"] = etag
        return render_agent(agent, await get_version(shelf.documents, agent, agent.head))

    @router.get("/agents/{agent_id}/versions", responses=problem_responses(400, 401, 404))
    async def versions(caller: Caller, agent_id: ResourceId, query: Annotated[PageQuery, Query()]) -> VersionPage:
        """List an agent's versions, the latest first."""
        agent = await get_agent(shelf.documents, caller.uid, AgentId(agent_id))
        return render_versions(await list_versions(shelf.documents, agent, query.limit, query.page_token))

    @router.get("/agents/{agent_id}/versions/{number}", responses=problem_responses(400, 401, 404))
    async def version(caller: Caller, agent_id: ResourceId, number: int) -> VersionDetail:
        """Read a version with its definition."""
        agent = await get_agent(shelf.documents, caller.uid, AgentId(agent_id))
        return render_version(await get_version(shelf.documents, agent, number))

    return router
