"""Change an agent: the one way in which every change is checked, committed, and tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from shared.domain.agents import Agent, AgentVersion, Seen, agent_path, name_path, version_path
from shared.domain.errors import Aborted, Unavailable
from shared.domain.grants import Permission
from shared.domain.ids import AgentId
from shared.domain.records import parse, render
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.ports.identity import Identity
from shared.usecases.agents.create_agent import name_taken
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.tell_changes import mismatch
from shared.usecases.grants.open_agent import admit

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an agent.

    Args:
        agent: the agent afterwards.
        writes: what is written in the same commit.
        version: the version that `writes` creates, if they create one.
    """

    agent: Agent
    writes: tuple[Write, ...] = ()
    version: AgentVersion | None = None


Decide: TypeAlias = Callable[[Agent, datetime], Awaitable[Change]]
"""Decides, from the agent as it is now and the time, what becomes of it; asked again when others were faster."""


async def change_agent(  # noqa: PLR0913, PLR0917 - who, what, and on which conditions
    shelf: Shelf,
    caller: Identity,
    agent_id: AgentId,
    decide: Decide,
    seen: Seen | None = None,
    needed: Permission = Permission.EDIT,
) -> Change:
    """Commit what `decide` decides about an agent.

    Args:
        shelf: the ports.
        caller: who changes it.
        agent_id: the agent.
        decide: told the agent as it is; its own refusals pass through.
        seen: refuse the change if the agent is no longer as the caller saw it.
        needed: what the caller must be allowed.

    Raises:
        NotFound: there is no such agent, or it is private and not granted to the caller.
        PermissionDenied: the caller may see the agent but not change it.
        VersionMismatch: the agent is no longer as it was seen; tells what changed.
        AlreadyExists: another of the owner's agents has the name that the agent would take.
        Aborted: others kept changing the agent.
        Unavailable: the store does not answer; the change may have been stored.
    """
    for attempt in range(_ATTEMPTS):
        snapshot = await shelf.documents.get(agent_path(agent_id))
        old = (await admit(shelf.documents, caller, snapshot, needed)).agent
        if seen is not None and not seen.fits(old):
            raise await mismatch(shelf.documents, old, seen.head)
        change = await decide(old, shelf.clock.now())
        if await commit_change(shelf.documents, snapshot, change):
            return change
        await shelf.clock.sleep(_PAUSE_SECONDS * attempt)
    raise Aborted("Others keep changing this agent; try again.")


async def commit_change(documents: Documents, snapshot: Snapshot, change: Change) -> bool:
    """Write a change of the agent in `snapshot`; False where somebody else changed it meanwhile.

    Raises:
        AlreadyExists: another of the owner's agents has the name that the agent would take.
        Unavailable: the store does not answer; the change may have been stored.
    """
    agent = change.agent
    writes = (Update(agent_path(agent.id), render(agent), seen=snapshot.update_time), *change.writes)
    try:
        await documents.commit(writes)
    except CommitRefused:
        claimed = name_path(agent.owner_uid, agent.name)
        if any(isinstance(write, Create) and write.path == claimed for write in writes):
            mark = await documents.get(claimed)
            if mark.fields is not None and mark.fields["agent_id"] != agent.id:
                raise name_taken(agent) from None
        return False
    except OutcomeUnknown:
        await _check_stored(documents, change)
    return True


async def _check_stored(documents: Documents, change: Change) -> None:
    """Whether a commit of unknown outcome was applied: then its version is there, or the agent is as it left it."""
    paths = [agent_path(change.agent.id)]
    if change.version is not None:
        paths.append(version_path(change.agent.id, change.version.number))
    agent, *versions = await documents.get_many(paths)
    if any(found.fields is not None and parse(AgentVersion, found.fields) == change.version for found in versions):
        return
    if agent.fields is None or parse(Agent, agent.fields) != change.agent:
        raise Unavailable("It is not known whether the change was stored; read the agent, and try again.")
