"""List somebody's agents, as far as another person may see them."""

from __future__ import annotations

from shared.domain.agents import Agent
from shared.domain.ids import Uid
from shared.domain.pages import Page, read_token, write_token
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.agents.list_agents import AgentSearch, list_agents
from shared.usecases.grants.list_shared_agents import list_shared_agents

_SHARED, _SYSTEM = "shared", "system"


async def list_agents_of(
    documents: Documents, caller: Identity, owner: Uid, limit: int, page_token: str | None
) -> Page[Agent]:
    """A page of this owner's agents: all to themselves; to others those granted to them, then the system's.

    What was granted to everyone is not listed: whoever is told of it finds it. A page may have fewer agents than its
    limit.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    if owner == caller.uid:
        return await list_agents(documents, owner, AgentSearch(owner, limit=limit, page_token=page_token))
    question = f"agents of {owner}"
    part, inside = read_token(question, page_token, str, str) if page_token else (_SHARED, "")
    found: tuple[Agent, ...] = ()
    if part == _SHARED:
        shared = await list_shared_agents(documents, caller, limit, inside or None)
        found = tuple(one.agent for one in shared.items if one.agent.owner_uid == owner)
        if shared.next_page_token is not None:
            return Page(found, write_token(question, (_SHARED, shared.next_page_token)))
        inside = ""
        if len(found) == limit:
            return Page(found, write_token(question, (_SYSTEM, inside)))
    search = AgentSearch(owner, limit=limit - len(found), page_token=inside or None)
    system = await list_agents(documents, caller.uid, search)
    following = system.next_page_token
    return Page((*found, *system.items), following and write_token(question, (_SYSTEM, following)))
