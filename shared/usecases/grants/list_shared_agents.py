"""List the agents that were shared with somebody."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.access import decide
from shared.domain.agents import Agent, agent_path
from shared.domain.grants import EVERYONE, Grant, grant_path, shared_agents_path
from shared.domain.ids import AgentId
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Query, Snapshot
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import OpenedAgent
from shared.usecases.read_page import read_page


async def list_shared_agents(
    documents: Documents, caller: Identity, limit: int, page_token: str | None
) -> Page[OpenedAgent]:
    """A page of the agents on which the caller holds a grant of their own, in the order of the agents' ids.

    What has expired or was deleted is left out, so that a page may have fewer agents than its limit.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    query = Query(shared_agents_path(caller.uid))
    page = await read_page(documents, query, limit, page_token, lambda fields: AgentId(fields["agent_id"]))
    paths = [
        path
        for agent_id in page.items
        for path in (
            agent_path(agent_id),
            grant_path(agent_id, caller.uid),
            grant_path(agent_id, EVERYONE),
        )
    ]
    found = await documents.get_many(paths) if paths else []
    opened = (_open(caller, found[place : place + 3]) for place in range(0, len(found), 3))
    return Page(tuple(one for one in opened if one is not None), page.next_page_token)


def _open(caller: Identity, found: Sequence[Snapshot]) -> OpenedAgent | None:
    snapshot, *grants = found
    agent = None if snapshot.fields is None else parse(Agent, snapshot.fields)
    if agent is None or not agent.is_active:
        return None
    held = [parse(Grant, grant.fields) for grant in grants if grant.fields is not None]
    access = decide(agent, caller.uid, caller.role, held, snapshot.read_time)
    return None if access.permission is None else OpenedAgent(agent, access, snapshot, tuple(grants))
