"""Give an agent a new version."""

from __future__ import annotations

from shared.domain.agents import (
    Agent,
    AgentVersion,
    Draft,
    agent_path,
    create_version,
    name_path,
    next_agent,
    rename,
    version_of,
    version_path,
)
from shared.domain.errors import Aborted, PermissionDenied, Unavailable, VersionMismatch
from shared.domain.ids import AgentId
from shared.domain.records import render
from shared.domain.writes import Update
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.ports.identity import Identity
from shared.usecases.agents.create_agent import check_scope, name_taken
from shared.usecases.agents.get_agent import read_agent

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.01


async def update_agent(  # noqa: PLR0913 - the ports, who, what, and on which condition
    documents: Documents,
    clock: Clock,
    caller: Identity,
    agent_id: AgentId,
    draft: Draft,
    *,
    expected_head: int | None = None,
) -> tuple[Agent, AgentVersion]:
    """Make `draft` the latest version of the caller's agent; versions before it stay as they are.

    Concurrent updates each make a version of their own, one after the other.

    Args:
        documents: the store.
        clock: the time of the version.
        caller: must own the agent.
        agent_id: the agent.
        draft: the checked definition.
        expected_head: refuse the update if the latest version is another.

    Raises:
        NotFound: there is no such agent, or it is private and not the caller's.
        PermissionDenied: the caller may see the agent but not change it.
        VersionMismatch: the latest version is not `expected_head`.
        AlreadyExists: the new name is that of another of the caller's agents.
        TooLarge: the definition does not fit into a document.
        Aborted: others kept updating the agent.
        Unavailable: the store does not answer; the version may have been stored.
    """
    check_scope(caller, draft)
    for attempt in range(_ATTEMPTS):
        snapshot = await documents.get(agent_path(agent_id))
        old = owned(snapshot, caller)
        if expected_head not in {None, old.head}:
            raise VersionMismatch(f"The latest version is {old.head}, not {expected_head}; read it and try again.")
        new = next_agent(old, draft, clock.now())
        version = version_of(new, draft, caller.uid)
        writes = (
            Update(agent_path(agent_id), render(new), seen=snapshot.update_time),
            create_version(version),
            *rename(old, new),
        )
        try:
            await documents.commit(writes)
        except CommitRefused:
            await _check_name(documents, old, new)
            await clock.sleep(_PAUSE_SECONDS * attempt)
        except OutcomeUnknown:
            await _check_stored(documents, version)
            return new, version
        else:
            return new, version
    raise Aborted("Others keep updating this agent; try again.")


def owned(snapshot: Snapshot, caller: Identity) -> Agent:
    """The caller's own agent in a snapshot.

    Raises:
        NotFound: there is no such agent, or it is private and not the caller's.
        PermissionDenied: the caller may see the agent but not change it.
    """
    agent = read_agent(snapshot, caller.uid)
    if agent.owner_uid != caller.uid:
        raise PermissionDenied("Only its owner changes an agent.")
    return agent


async def _check_name(documents: Documents, old: Agent, new: Agent) -> None:
    if old.name != new.name and (await documents.get(name_path(new.owner_uid, new.name))).exists:
        raise name_taken(new)


async def _check_stored(documents: Documents, version: AgentVersion) -> None:
    """Whether a commit of unknown outcome was applied: then the version is there, and is this one."""
    found = await documents.get(version_path(version.agent_id, version.number))
    if found.fields is None or found.fields["created_at"] != version.created_at:
        raise Unavailable("The new version was not stored; try again.")
