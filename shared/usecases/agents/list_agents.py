"""List agents and versions."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.agent_statics import static_agent, static_agents, static_versions
from shared.domain.agents import Agent, AgentType, AgentVersion, Scope, agent_path, name_path, versions_path
from shared.domain.errors import InvalidArgument
from shared.domain.ids import AgentId, Uid
from shared.domain.pages import DEFAULT_LIMIT, Page, read_token, write_token
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query
from shared.usecases.read_page import read_page


@dataclass(frozen=True, slots=True)
class AgentSearch:
    """Which agents to list; None does not narrow.

    Args:
        owner_uid: whose agents; one's own and those that come with the deployment if left out. Of others one sees the
            system's.
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
    """A page of this person's agents, or of the system's, the newest first; the deployment's own come last.

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
    if search.owner_uid is not None or search.scope not in {None, "system"} or search.type not in {None, "static"}:
        return await _read(documents, search, where)
    return await _with_statics(documents, search, where)


async def list_versions(documents: Documents, agent: Agent, limit: int, page_token: str | None) -> Page[AgentVersion]:
    """A page of the versions of an agent that the caller may see, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    released = static_versions(agent.id)
    if released is not None:
        return Page(released[::-1])
    query = Query(versions_path(agent.id), (), (Order("number", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(AgentVersion, fields))


async def _read(documents: Documents, search: AgentSearch, where: list[Filter]) -> Page[Agent]:
    active = Filter("is_active", "==", value=not search.deleted)
    query = Query("agents", (active, *where), (Order("created_at", descending=True),))
    return await read_page(documents, query, search.limit, search.page_token, lambda fields: parse(Agent, fields))


async def _with_statics(documents: Documents, search: AgentSearch, where: list[Filter]) -> Page[Agent]:
    """A page of what is stored, and where that ends, of what comes with the deployment."""
    question = f"static agents {search.scope} {search.type}"
    begun = _position(question, search.page_token)
    stored: Page[Agent] = Page(()) if begun is not None else await _read(documents, search, where)
    if stored.next_page_token is not None:
        return stored
    every, begin = static_agents(), begun or 0
    end = min(len(every), begin + search.limit - len(stored.items))
    token = write_token(question, (end,)) if end < len(every) else None
    return Page((*stored.items, *every[begin:end]), token)


def _position(question: str, page_token: str | None) -> int | None:
    """Where a token goes on among the static agents; None where it is not of theirs."""
    try:
        return abs(read_token(question, page_token or "", int)[0])
    except InvalidArgument:
        return None


async def _named(documents: Documents, uid: Uid, search: AgentSearch) -> Page[Agent]:
    """The agent of this name that the person owns, and the one that comes with the deployment."""
    own = await _own_named(documents, uid, search.name or "")
    found = (own, static_agent(search.name or ""))
    return Page(
        tuple(
            agent
            for agent in found
            if agent and search.scope in {None, agent.scope} and search.type in {None, agent.type}
        )
    )


async def _own_named(documents: Documents, uid: Uid, name: str) -> Agent | None:
    mark = await documents.get(name_path(uid, name))
    if mark.fields is None:
        return None
    found = (await documents.get(agent_path(AgentId(mark.fields["agent_id"])))).fields
    return parse(Agent, found) if found is not None and found["is_active"] else None  # deleted between the two reads
