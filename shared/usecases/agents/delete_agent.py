"""Delete an agent, and bring it back."""

from __future__ import annotations

from datetime import datetime

from shared.domain.agents import Agent, Seen, agent_path, claim_name, release_name, revised
from shared.domain.errors import Aborted
from shared.domain.grants import Permission
from shared.domain.ids import AgentId
from shared.ports.identity import Identity
from shared.usecases.agents.change_agent import Change, change_agent, commit_change
from shared.usecases.agents.shelf import Shelf
from shared.usecases.grants.open_agent import admit

_ATTEMPTS = 5


async def delete_agent(shelf: Shelf, caller: Identity, agent_id: AgentId, seen: Seen | None = None) -> None:
    """Take an agent out of sight and free its name; its versions stay for the runs that use them.

    Raises:
        NotFound: there is no such agent, it was deleted, or it is private and not granted to the caller.
        PermissionDenied: the caller may see the agent but not delete it.
        VersionMismatch: the agent is no longer as it was `seen`.
        Aborted: others kept updating the agent.
        Unavailable: the store does not answer; the agent may have been deleted.
    """

    async def decide(agent: Agent, now: datetime) -> Change:
        return Change(revised(agent, now, is_active=False, deleted_at=now), (release_name(agent),))

    await change_agent(shelf, caller, agent_id, decide, seen, Permission.ADMIN)


async def restore_agent(shelf: Shelf, caller: Identity, agent_id: AgentId) -> Agent:
    """Bring back an agent that was deleted, with its versions, aliases, grants and draft; again changes nothing.

    Raises:
        NotFound: there never was such an agent, or it is private and not granted to the caller.
        PermissionDenied: the caller may see the agent but not administer it.
        AlreadyExists: another of its owner's agents has its name by now.
        Aborted: others kept changing the agent.
        Unavailable: the store does not answer; the agent may have been restored.
    """
    for _ in range(_ATTEMPTS):
        snapshot = await shelf.documents.get(agent_path(agent_id))
        deleted = snapshot.fields is not None and not snapshot.fields["is_active"]
        agent = (await admit(shelf.documents, caller, snapshot, Permission.ADMIN, deleted=deleted)).agent
        if agent.is_active:
            return agent
        back = revised(agent, shelf.clock.now(), is_active=True, deleted_at=None)
        if await commit_change(shelf.documents, snapshot, Change(back, (claim_name(back),))):
            return back
    raise Aborted("Others keep changing this agent; try again.")
