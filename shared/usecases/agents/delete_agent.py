"""Delete an agent, and bring it back."""

from __future__ import annotations

from datetime import datetime

from shared.domain.agents import Agent, Seen, agent_path, claim_name, release_name, revised
from shared.domain.errors import Aborted, NotFound
from shared.domain.ids import AgentId
from shared.domain.records import parse
from shared.ports.identity import Identity
from shared.usecases.agents.change_agent import Change, change_agent, commit_change
from shared.usecases.agents.shelf import Shelf

_ATTEMPTS = 5


async def delete_agent(shelf: Shelf, caller: Identity, agent_id: AgentId, seen: Seen | None = None) -> None:
    """Take the caller's agent out of sight and free its name; its versions stay for the runs that use them.

    Raises:
        NotFound: there is no such agent, it was deleted, or it is private and not the caller's.
        PermissionDenied: the caller may see the agent but not delete it.
        VersionMismatch: the agent is no longer as it was `seen`.
        Aborted: others kept updating the agent.
        Unavailable: the store does not answer; the agent may have been deleted.
    """

    async def decide(agent: Agent, now: datetime) -> Change:
        return Change(revised(agent, now, is_active=False, deleted_at=now), (release_name(agent),))

    await change_agent(shelf, caller, agent_id, decide, seen)


async def restore_agent(shelf: Shelf, caller: Identity, agent_id: AgentId) -> Agent:
    """Bring back an agent that the caller had deleted, with its versions, aliases and draft; again changes nothing.

    Raises:
        NotFound: the caller never had such an agent.
        AlreadyExists: another of the caller's agents has its name by now.
        Aborted: others kept changing the agent.
        Unavailable: the store does not answer; the agent may have been restored.
    """
    for _ in range(_ATTEMPTS):
        snapshot = await shelf.documents.get(agent_path(agent_id))
        agent = None if snapshot.fields is None else parse(Agent, snapshot.fields)
        if agent is None or agent.owner_uid != caller.uid:
            raise NotFound("There is no such agent.")
        if agent.is_active:
            return agent
        back = revised(agent, shelf.clock.now(), is_active=True, deleted_at=None)
        if await commit_change(shelf.documents, snapshot, Change(back, (claim_name(back),))):
            return back
    raise Aborted("Others keep changing this agent; try again.")
