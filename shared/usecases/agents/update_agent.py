"""Give an agent a new version."""

from __future__ import annotations

from datetime import datetime

from shared.domain.agents import Agent, AgentVersion, Proposal, Seen, create_version, next_agent, rename, version_of
from shared.domain.ids import AgentId
from shared.domain.writes import Write
from shared.ports.identity import Identity
from shared.usecases.agents.change_agent import Change, change_agent
from shared.usecases.agents.check_graph import CheckedGraph, check_graph
from shared.usecases.agents.create_agent import check_scope
from shared.usecases.agents.shelf import Shelf


async def update_agent(
    shelf: Shelf, caller: Identity, agent_id: AgentId, proposal: Proposal, seen: Seen | None = None
) -> tuple[Agent, AgentVersion]:
    """Make `proposal` the latest version of the caller's agent; versions before it stay as they are.

    Concurrent updates each make a version of their own, one after the other, unless they say what they saw.

    Raises:
        NotFound: there is no such agent, or it is private and not the caller's.
        PermissionDenied: the caller may see the agent but not change it.
        InvalidArgument: the definition names a model that this deployment does not run, or agents that the
            caller may not run.
        VersionMismatch: the agent is no longer as it was `seen`; tells what changed.
        AlreadyExists: the new name is that of another of the caller's agents.
        TooLarge: the definition does not fit into a document.
        Aborted: others kept updating the agent.
        Unavailable: the store does not answer; the version may have been stored.
    """
    check_scope(caller, proposal)
    shelf.models.check(proposal.definition)

    async def decide(agent: Agent, now: datetime) -> Change:
        checked = await check_graph(shelf, caller, proposal.definition, agent_id)
        return with_version(agent, proposal, caller, now, checked)

    change = await change_agent(shelf, caller, agent_id, decide, seen)
    assert change.version is not None  # noqa: S101 - `decide` makes one
    return change.agent, change.version


def with_version(
    old: Agent, proposal: Proposal, author: Identity, now: datetime, checked: CheckedGraph, *writes: Write
) -> Change:
    """The change that makes `proposal` the latest version, together with other writes, while its check holds."""
    new = next_agent(old, proposal, now)
    version = version_of(new, proposal, author.uid, checked.bounds)
    return Change(new, (create_version(version), *rename(old, new), *writes, *checked.while_unchanged), version)
