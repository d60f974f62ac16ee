"""Delete an agent."""

from __future__ import annotations

from shared.domain.agents import agent_path, name_path
from shared.domain.errors import Aborted, Unavailable
from shared.domain.ids import AgentId
from shared.domain.writes import Delete, Update
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown
from shared.ports.identity import Identity
from shared.usecases.agents.update_agent import owned

_ATTEMPTS = 5


async def delete_agent(documents: Documents, clock: Clock, caller: Identity, agent_id: AgentId) -> None:
    """Take the caller's agent out of sight and free its name; its versions stay for the runs that use them.

    Raises:
        NotFound: there is no such agent, it was deleted, or it is private and not the caller's.
        PermissionDenied: the caller may see the agent but not delete it.
        Aborted: others kept updating the agent.
        Unavailable: the store does not answer; the agent may have been deleted.
    """
    for _ in range(_ATTEMPTS):
        snapshot = await documents.get(agent_path(agent_id))
        agent = owned(snapshot, caller)
        gone = {"is_active": False, "updated_at": clock.now()}
        try:
            await documents.commit(
                (
                    Update(agent_path(agent_id), gone, seen=snapshot.update_time),
                    Delete(name_path(agent.owner_uid, agent.name)),
                )
            )
        except CommitRefused:
            continue
        except OutcomeUnknown:
            raise Unavailable("It is not known whether the agent was deleted; try again.") from None
        return
    raise Aborted("Others keep updating this agent; try again.")
