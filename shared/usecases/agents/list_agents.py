"""List agents and versions."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.agents import Agent, AgentType, AgentVersion, Scope, agent_path, name_path, versions_path
from shared.domain.ids import AgentId, Uid
from shared.domain.pages import DEFAULT_LIMIT, Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query
from shared.usecases.read_page import read_page


@dataclass(frozen=True, slots=True)
class AgentSearch:
    """Which agents to list; None does not narrow.

    Args:
        owner_uid: whose agents; one's own if left out. Of others one sees the system's.
        scope: `system` lists the system's agents, whoever owns them.
        deleted: list what this person deleted instead, whatever else is asked for but `limit`.
    """

    owner_uid: Uid | None = None
    scope: Scope | None = None
    type: AgentType | None = None
    name: str | None = None
    limit: int = DEFAULT_LIMIT
    page_token: str | None = None
    deleted: bool = False


async def list_agents(documents: Documents, uid: Uid, search: AgentSearch) -> Page[Agent]:
    """A page of this person's agents, or of the system's, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    if search.deleted:
        return await _read(documents, search, [Filter("owner_uid", "==", uid)])
    if search.name is not None:
        return await _named(documents, uid, search)
    scope = search.scope if search.owner_uid in {None, uid} else "system"
    where: list[Filter] = []
    if search.owner_uid is not None or scope != "system":
        where.append(Filter("owner_uid", "==", search.owner_uid or uid))
    if scope is not None:
        where.append(Filter("scope", "==", scope))
    if search.type is not None:
        where.append(Filter("type", "==", search.type))
    return await _read(documents, search, where)


async def list_versions(documents: Documents, agent: Agent, limit: int, page_token: str | None) -> Page[AgentVersion]:
    """A page of the versions of an agent that the caller may see, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    query = Query(versions_path(agent.id), (), (Order("number", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(AgentVersion, fields))


async def _read(documents: Documents, search: AgentSearch, where: list[Filter]) -> Page[Agent]:
    active = Filter("is_active", "==", value=not search.deleted)
    query = Query("agents", (active, *where), (Order("created_at", descending=True),))
    return await read_page(documents, query, search.limit, search.page_token, lambda fields: parse(Agent, fields))


async def _named(documents: Documents, uid: Uid, search: AgentSearch) -> Page[Agent]:
    """The one agent of this name that the person owns."""
    mark = await documents.get(name_path(uid, search.name or ""))
    if mark.fields is None:
        return Page(())
    found = (await documents.get(agent_path(AgentId(mark.fields["agent_id"])))).fields
    if found is None or not found["is_active"]:
        return Page(())  # deleted between the two reads
    agent = parse(Agent, found)
    fits = search.scope in {None, agent.scope} and search.type in {None, agent.type}
    return Page((agent,) if fits else ())
