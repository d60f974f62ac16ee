"""Read an agent and its versions."""

from __future__ import annotations

from shared.domain.agents import Agent, AgentVersion, VersionRef, agent_path, version_path
from shared.domain.errors import NotFound
from shared.domain.ids import AgentId, Uid
from shared.domain.records import parse
from shared.ports.documents import Documents, Snapshot


async def get_agent(documents: Documents, uid: Uid, agent_id: AgentId) -> Agent:
    """The agent, if this person may see it.

    Raises:
        NotFound: there is no such agent, it was deleted, or it is somebody else's.
        Unavailable: the store does not answer.
    """
    return read_agent(await documents.get(agent_path(agent_id)), uid)


async def get_version(documents: Documents, agent: Agent, ref: VersionRef) -> AgentVersion:
    """A version of an agent that the caller may see; the draft is none.

    Raises:
        NotFound: the agent has no such version.
        Unavailable: the store does not answer.
    """
    number = agent.number_of(ref)
    found = await documents.get(version_path(agent.id, number))
    if found.fields is None:
        raise NotFound(f"The agent has no version {number}; its latest is {agent.head}.")
    return parse(AgentVersion, found.fields)


def read_agent(snapshot: Snapshot, uid: Uid) -> Agent:
    """The agent in a snapshot, if this person may see it.

    Raises:
        NotFound: there is no such agent, it was deleted, or it is somebody else's.
    """
    agent = parse(Agent, snapshot.fields) if snapshot.fields is not None else None
    if agent is None or not agent.visible_to(uid):
        raise NotFound("There is no such agent.")
    return agent
