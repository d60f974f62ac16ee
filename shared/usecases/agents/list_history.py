"""Read what was decided about an agent: by whom, when, and what held before."""

from __future__ import annotations

from shared.domain.agent_history import Deed, Topic, history_path
from shared.domain.grants import Permission
from shared.domain.ids import AgentId
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import open_agent
from shared.usecases.read_page import read_page


async def list_history(  # noqa: PLR0913 - a list's parameters
    documents: Documents,
    caller: Identity,
    agent_id: AgentId,
    topic: Topic | None,
    *,
    limit: int,
    page_token: str | None,
) -> Page[Deed]:
    """A page of an agent's deeds, the latest first; of grants only for those who administer the agent.

    Args:
        documents: the store.
        caller: who asks.
        agent_id: the agent.
        topic: only deeds about this; None for all that the caller may see.
        limit: the most deeds, from 1.
        page_token: of the page before; None for the first page.

    Raises:
        NotFound: there is no such agent for the caller.
        PermissionDenied: the caller asks for grants, and does not administer the agent.
        InvalidArgument: the token is not one of this list.
        Unavailable: the store does not answer.
    """
    needed = Permission.ADMIN if topic is Topic.GRANT else Permission.VIEW
    access = (await open_agent(documents, caller, agent_id, needed)).access
    topics = [topic] if topic else [Topic.ALIAS, *([Topic.GRANT] if access.allows(Permission.ADMIN) else [])]
    query = Query(history_path(agent_id), (Filter("topic", "in", topics),), (Order("at", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(Deed, fields))
