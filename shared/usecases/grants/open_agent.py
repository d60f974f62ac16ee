"""Read an agent on behalf of somebody: the way in for every use case of agents and runs."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.access import Access, decide, needs_grants
from shared.domain.agent_statics import static_agent
from shared.domain.agents import Agent, agent_path
from shared.domain.errors import NotFound
from shared.domain.grants import EVERYONE, Grant, Permission, grant_path
from shared.domain.ids import AgentId
from shared.domain.records import parse
from shared.ports.documents import Documents, Snapshot
from shared.ports.identity import Identity


@dataclass(frozen=True, slots=True)
class OpenedAgent:
    """An agent that somebody may see.

    Args:
        agent: as stored.
        access: what they may do with it.
        snapshot: what it was read from, for a compare-and-set.
        grants: what the grants that they use were read from.
    """

    agent: Agent
    access: Access
    snapshot: Snapshot
    grants: tuple[Snapshot, ...] = ()


async def open_agent(
    documents: Documents,
    caller: Identity,
    agent_id: AgentId,
    needed: Permission = Permission.VIEW,
    *,
    deleted: bool = False,
) -> OpenedAgent:
    """The agent, if this person may do with it what is needed. Its owner costs one read, others three.

    Args:
        documents: the store.
        caller: who asks.
        agent_id: the agent.
        needed: what they are about to do.
        deleted: whether a deleted agent is wanted, and no other.

    Raises:
        NotFound: there is no such agent, or it is private and nothing of it was granted to this person.
        PermissionDenied: they may see the agent, and less than is needed.
        Unavailable: the store does not answer.
    """
    return await admit(documents, caller, await documents.get(agent_path(agent_id)), needed, deleted=deleted)


async def admit(
    documents: Documents, caller: Identity, snapshot: Snapshot, needed: Permission, *, deleted: bool = False
) -> OpenedAgent:
    """The agent in a snapshot, if this person may do with it what is needed.

    Raises:
        NotFound, PermissionDenied, Unavailable: as `open_agent`.
    """
    agent = parse(Agent, snapshot.fields) if snapshot.fields is not None else static_agent(snapshot.id)
    if agent is None or agent.is_active is deleted:
        raise NotFound("There is no such agent.")
    found: list[Snapshot] = []
    if needs_grants(agent, caller.uid):
        found = await documents.get_many([grant_path(agent.id, grantee) for grantee in (caller.uid, EVERYONE)])
    now = found[0].read_time if found else snapshot.read_time
    held = [parse(Grant, one.fields) for one in found if one.fields is not None]
    access = decide(agent, caller.uid, caller.role, held, now)
    access.require(needed)
    return OpenedAgent(agent, access, snapshot, tuple(found))
