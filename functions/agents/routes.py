"""The HTTP face of agents: parse, call a use case, render."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from functions.agents.requests import (
    DEFINITION_BODY,
    AgentQuery,
    CloneBody,
    DraftFlag,
    IfMatch,
    IfNoneMatch,
    ProposalBody,
    Written,
    WrittenBody,
    seen_agent,
    seen_draft,
)
from functions.agents.views import (
    AgentDetail,
    AgentPage,
    AgentView,
    DraftDetail,
    render_agent,
    render_agents,
    render_draft,
    view_agent,
)
from shared.domain.agent_drafts import Draft
from shared.domain.agents import Agent
from shared.domain.definition_faults import inspect_definition
from shared.domain.ids import AgentId, Uid
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.etags import etag_of, is_known
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.strict_body import body_schema, strict_body
from shared.usecases.agents.clone_agent import clone_agent
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent, restore_agent
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.list_agents import AgentSearch, list_agents
from shared.usecases.agents.list_agents_of import list_agents_of
from shared.usecases.agents.save_draft import discard_draft, get_draft, save_draft
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent

CloneSource = Annotated[CloneBody, Depends(strict_body(CloneBody))]


def making_routes(shelf: Shelf) -> APIRouter:
    """The routes that make agents."""
    router = APIRouter(tags=["agents"])

    @router.post(
        "/agents",
        status_code=201,
        openapi_extra=DEFINITION_BODY,
        responses=problem_responses(400, 401, 403, 409, 413, 415),
    )
    async def create(caller: Caller, proposal: ProposalBody, response: Response) -> AgentDetail:
        """Store a new agent with its first version."""
        agent, version = await create_agent(shelf, caller, proposal)
        _show_new(response, agent)
        return render_agent(agent, version)

    @router.post(
        "/agents/{agent_id}/clone",
        status_code=201,
        openapi_extra=body_schema(CloneBody),
        responses=problem_responses(400, 401, 404, 409),
    )
    async def clone(caller: Caller, agent_id: ResourceId, body: CloneSource, response: Response) -> AgentDetail:
        """Make a private agent of your own from a version of one that you may see."""
        agent, version = await clone_agent(shelf, caller, AgentId(agent_id), body.version, body.name)
        _show_new(response, agent)
        return render_agent(agent, version)

    return router


def writing_routes(shelf: Shelf) -> APIRouter:
    """The routes that change agents."""
    router = APIRouter(tags=["agents"])

    @router.put(
        "/agents/{agent_id}",
        response_model=AgentDetail | DraftDetail,
        openapi_extra=DEFINITION_BODY,
        responses=problem_responses(400, 401, 403, 404, 409, 412, 413, 415, 428),
    )
    async def update(  # noqa: PLR0913, PLR0917 - what the request carries
        caller: Caller,
        agent_id: ResourceId,
        written: WrittenBody,
        response: Response,
        changelog: Annotated[str, Query(max_length=4000, description="What is new in this version.")] = "",
        draft: DraftFlag = False,  # noqa: FBT002 - a query parameter
        if_match: IfMatch = None,
    ) -> AgentDetail | DraftDetail:
        """Make the definition a new version, the latest; or save it as the draft of the next one."""
        if draft:
            saved = await save_draft(shelf, caller, AgentId(agent_id), written.raw, seen_draft(if_match))
            return _show_draft(response, *saved, written)
        proposal = written.propose(changelog)
        agent, version = await update_agent(shelf, caller, AgentId(agent_id), proposal, seen_agent(if_match))
        response.headers["ETag"] = etag_of(agent.etag)
        return render_agent(agent, version)

    @router.delete("/agents/{agent_id}", status_code=204, responses=problem_responses(401, 403, 404, 412))
    async def delete(
        caller: Caller,
        agent_id: ResourceId,
        draft: DraftFlag = False,  # noqa: FBT002 - a query parameter
        if_match: IfMatch = None,
    ) -> None:
        """Delete an agent, which can be restored; or discard its draft."""
        if draft:
            await discard_draft(shelf.documents, caller, AgentId(agent_id), seen_draft(if_match))
        else:
            await delete_agent(shelf, caller, AgentId(agent_id), seen_agent(if_match))

    @router.post("/agents/{agent_id}/restore", responses=problem_responses(401, 404, 409))
    async def restore(caller: Caller, agent_id: ResourceId, response: Response) -> AgentView:
        """Bring back an agent that you deleted."""
        agent = await restore_agent(shelf, caller, AgentId(agent_id))
        response.headers["ETag"] = etag_of(agent.etag)
        return view_agent(agent)

    return router


def reading_routes(shelf: Shelf) -> APIRouter:
    """The routes that show agents."""
    router = APIRouter(tags=["agents"])

    @router.get("/agents", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[AgentQuery, Query()]) -> AgentPage:
        """List your agents, the newest first."""
        search = AgentSearch(
            None, query.scope, query.type, query.name, query.limit, query.page_token, deleted=query.deleted
        )
        return render_agents(await list_agents(shelf.documents, caller.uid, search))

    @router.get("/users/{user_id}/agents", responses=problem_responses(400, 401))
    async def find_of_user(caller: Caller, user_id: str, query: Annotated[PageQuery, Query()]) -> AgentPage:
        """List the agents of somebody that you may see, the newest first; `me` is you."""
        owner = caller.uid if user_id == "me" else Uid(user_id)
        return render_agents(await list_agents_of(shelf.documents, caller, owner, query.limit, query.page_token))

    @router.get(
        "/agents/{agent_id}", response_model=AgentDetail | DraftDetail, responses=problem_responses(401, 403, 404)
    )
    async def read(
        caller: Caller,
        agent_id: ResourceId,
        response: Response,
        draft: DraftFlag = False,  # noqa: FBT002 - a query parameter
        if_none_match: IfNoneMatch = None,
    ) -> Any:
        """Read an agent with the definition of its latest version; or the draft of its next one."""
        if draft:
            return _show_draft(response, *await get_draft(shelf.documents, caller, AgentId(agent_id)))
        agent = await get_agent(shelf.documents, caller, AgentId(agent_id))
        etag = etag_of(agent.etag)
        if is_known(etag, if_none_match):
            return Response(status_code=304, headers={"ETag": etag})
        response.headers["ETag"] = etag
        return render_agent(agent, await get_version(shelf.documents, agent, agent.head))

    return router


def _show_new(response: Response, agent: Agent) -> None:
    response.headers["Location"] = f"/agents/{agent.id}"
    response.headers["ETag"] = etag_of(agent.etag)


def _show_draft(response: Response, agent: Agent, draft: Draft, written: Written | None = None) -> DraftDetail:
    response.headers["ETag"] = etag_of(draft.etag)
    _, faults = inspect_definition(draft.raw)
    return render_draft(agent, draft, written.placed(faults) if written else faults)
