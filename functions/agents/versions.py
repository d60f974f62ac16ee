"""The HTTP face of an agent's versions and their aliases: parse, call a use case, render."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from functions.agents.requests import AliasBody, IfMatch, PublishBody, propose, seen_agent
from functions.agents.views import (
    AliasList,
    AliasView,
    ComparisonView,
    VersionDetail,
    VersionPage,
    list_aliases,
    render_comparison,
    render_version,
    render_versions,
)
from shared.domain.agents import Agent, AgentVersion
from shared.domain.ids import AgentId
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.etags import etag_of
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.strict_body import body_schema, strict_body
from shared.edge.version_refs import VersionRefParameter
from shared.usecases.agents.compare_versions import compare_versions
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.list_agents import list_versions
from shared.usecases.agents.move_alias import move_alias, remove_alias
from shared.usecases.agents.publish_draft import publish_draft
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent

Publication = Annotated[PublishBody, Depends(strict_body(PublishBody))]
AliasTarget = Annotated[AliasBody, Depends(strict_body(AliasBody))]


def version_routes(shelf: Shelf) -> APIRouter:
    """The routes of versions."""
    router = APIRouter(tags=["versions"])

    @router.post(
        "/agents/{agent_id}/versions",
        status_code=201,
        openapi_extra=body_schema(PublishBody),
        responses=problem_responses(400, 401, 403, 404, 409, 412, 413, 415),
    )
    async def publish(
        caller: Caller, agent_id: ResourceId, body: Publication, response: Response, if_match: IfMatch = None
    ) -> VersionDetail:
        """Make the draft, or the definition in the body, a version that never changes."""
        agent, version = await _publish(shelf, caller, AgentId(agent_id), body, if_match)
        response.headers["Location"] = f"/agents/{agent.id}/versions/{version.number}"
        response.headers["ETag"] = etag_of(agent.etag)
        return render_version(version)

    @router.get("/agents/{agent_id}/versions", responses=problem_responses(400, 401, 404))
    async def find(caller: Caller, agent_id: ResourceId, query: Annotated[PageQuery, Query()]) -> VersionPage:
        """List an agent's versions, the latest first."""
        agent = await get_agent(shelf.documents, caller, AgentId(agent_id))
        return render_versions(await list_versions(shelf.documents, agent, query.limit, query.page_token))

    @router.get("/agents/{agent_id}/versions/{version}", responses=problem_responses(400, 401, 404))
    async def read(caller: Caller, agent_id: ResourceId, version: VersionRefParameter) -> VersionDetail:
        """Read a version with its definition."""
        agent = await get_agent(shelf.documents, caller, AgentId(agent_id))
        return render_version(await get_version(shelf.documents, agent, version))

    @router.get("/agents/{agent_id}/versions/{version}/diff/{other}", responses=problem_responses(400, 401, 403, 404))
    async def diff(
        caller: Caller, agent_id: ResourceId, version: VersionRefParameter, other: VersionRefParameter
    ) -> ComparisonView:
        """Say what is different in the other version: each place with its old and its new value."""
        return render_comparison(await compare_versions(shelf.documents, caller, AgentId(agent_id), version, other))

    return router


def alias_routes(shelf: Shelf) -> APIRouter:
    """The routes of aliases."""
    router = APIRouter(tags=["aliases"])

    @router.get("/agents/{agent_id}/aliases", responses=problem_responses(401, 404))
    async def find(caller: Caller, agent_id: ResourceId) -> AliasList:
        """List what each alias of an agent means; `latest` is always among them."""
        return list_aliases(await get_agent(shelf.documents, caller, AgentId(agent_id)))

    @router.put(
        "/agents/{agent_id}/aliases/{alias}",
        openapi_extra=body_schema(AliasBody),
        responses=problem_responses(400, 401, 403, 404, 412),
    )
    async def move(  # noqa: PLR0913, PLR0917 - what the request carries
        caller: Caller,
        agent_id: ResourceId,
        alias: str,
        body: AliasTarget,
        response: Response,
        if_match: IfMatch = None,
    ) -> AliasView:
        """Make an alias mean a version; to roll back, make it mean an earlier one."""
        seen = seen_agent(if_match)
        agent = await move_alias(shelf, caller, AgentId(agent_id), alias, body.version, seen=seen)
        response.headers["ETag"] = etag_of(agent.etag)
        return AliasView(alias=alias, version=agent.aliases[alias])

    @router.delete(
        "/agents/{agent_id}/aliases/{alias}", status_code=204, responses=problem_responses(401, 403, 404, 412)
    )
    async def remove(caller: Caller, agent_id: ResourceId, alias: str, if_match: IfMatch = None) -> None:
        """Remove an alias; its version stays."""
        await remove_alias(shelf, caller, AgentId(agent_id), alias, seen_agent(if_match))

    return router


async def _publish(
    shelf: Shelf, caller: Caller, agent_id: AgentId, body: PublishBody, if_match: str | None
) -> tuple[Agent, AgentVersion]:
    seen = seen_agent(if_match)
    if body.definition is None:
        return await publish_draft(shelf, caller, agent_id, body.changelog, seen)
    return await update_agent(shelf, caller, agent_id, propose(body.definition, body.changelog), seen)
