"""Read an agent and its versions."""

from __future__ import annotations

from shared.domain.agent_statics import static_version
from shared.domain.agents import Agent, AgentVersion, VersionRef, version_path
from shared.domain.errors import NotFound
from shared.domain.grants import Permission
from shared.domain.ids import AgentId
from shared.domain.records import parse
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import open_agent


async def get_agent(documents: Documents, caller: Identity, agent_id: AgentId) -> Agent:
    """The agent, if this person may see it.

    Raises:
        NotFound: there is no such agent, it was deleted, or it is private and not granted to them.
        Unavailable: the store does not answer.
    """
    return (await open_agent(documents, caller, agent_id, Permission.VIEW)).agent


async def get_version(documents: Documents, agent: Agent, ref: VersionRef) -> AgentVersion:
    """A version of an agent that the caller may see; the draft is none.

    Raises:
        NotFound: the agent has no such version.
        Unavailable: the store does not answer.
    """
    number = agent.number_of(ref)
    released = static_version(agent.id, number)
    if released is not None:
        return released
    found = await documents.get(version_path(agent.id, number))
    if found.fields is None:
        raise NotFound(f"The agent has no version {number}; its latest is {agent.head}.")
    return parse(AgentVersion, found.fields)
