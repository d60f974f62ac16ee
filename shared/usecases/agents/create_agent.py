"""Create an agent from a definition."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.agents import (
    Agent,
    AgentVersion,
    Proposal,
    Provenance,
    agent_path,
    claim_name,
    create_version,
    first_agent,
    version_of,
)
from shared.domain.errors import AlreadyExists, PermissionDenied, Unavailable
from shared.domain.ids import AgentId
from shared.domain.records import render
from shared.domain.writes import Create, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.ports.identity import Identity
from shared.usecases.agents.check_graph import check_graph
from shared.usecases.agents.shelf import Shelf
from shared.usecases.grants.first_grants import first_grants


async def create_agent(
    shelf: Shelf, caller: Identity, proposal: Proposal, provenance: Provenance | None = None
) -> tuple[Agent, AgentVersion]:
    """Store the caller's new agent with its first version, and, if it is new altogether, share it as its author asks.

    Raises:
        InvalidArgument: the definition names a model that this deployment does not run, or people who do not exist.
        PermissionDenied: the definition asks for the scope `system`, and the caller is no administrator.
        AlreadyExists: the caller has an agent of this name.
        TooLarge: the definition does not fit into a document.
        Unavailable: the store does not answer; the agent may have been stored.
    """
    check_scope(caller, proposal)
    shelf.models.check(proposal.definition)
    bounds = (await check_graph(shelf, caller, proposal.definition)).bounds
    agent = first_agent(AgentId(shelf.ids.new()), caller.uid, proposal, shelf.clock.now())
    agent = replace(agent, provenance=provenance)
    version = version_of(agent, proposal, caller.uid, bounds)
    writes: list[Write] = [Create(agent_path(agent.id), render(agent)), create_version(version), claim_name(agent)]
    if provenance is None:
        writes += await first_grants(shelf.documents, shelf.directory, agent, proposal.definition.permissions)
    try:
        await shelf.documents.commit(writes)
    except CommitRefused:
        raise name_taken(agent) from None
    except OutcomeUnknown:
        if not (await shelf.documents.get(agent_path(agent.id))).exists:
            raise Unavailable("The agent was not stored; try again.") from None
    return agent, version


def check_scope(caller: Identity, proposal: Proposal) -> None:
    """Refuse what only an administrator may ask for.

    Raises:
        PermissionDenied: the scope is `system`, and the caller is no administrator.
    """
    if proposal.definition.scope == "system" and caller.role != "admin":
        raise PermissionDenied("Only administrators make agents of scope 'system'.")


def name_taken(agent: Agent) -> AlreadyExists:
    """The refusal of a second agent of a name."""
    return AlreadyExists(f"You have an agent named '{agent.name}' already; update it, or choose another name.")
