"""Find the agents that a graph refers to, and those that they refer to, for somebody who may run them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared.domain.agents import agent_path
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import FailedPrecondition, Fault, GrantUsedUp, InvalidArgument, NotFound, PermissionDenied
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId
from shared.domain.kept_agents import KeptAgent, KeptAgents, references_in
from shared.ports.documents import Documents, Snapshot
from shared.usecases.agents.load_definition import load_definition, number_to_run
from shared.usecases.grants.open_agent import OpenedAgent

Opening = Callable[[Snapshot], Awaitable[OpenedAgent]]
"""Lets somebody run the agent in a snapshot, or raises."""


async def find_kept_agents(
    documents: Documents, definition: AgentDefinition, opening: Opening, coming: KeptAgents | None = None
) -> KeptAgents:
    """What the references in a definition, and in what they refer to, mean now.

    Args:
        documents: the store.
        definition: what is run.
        opening: asked once for each agent whether it may be run.
        coming: what references mean to versions that are not stored yet.

    Raises:
        InvalidArgument: with every reference to what cannot be run.
        GrantUsedUp, ResourceExhausted: what was granted of one of the agents is used up.
        Unavailable: the store does not answer.
    """
    kept: dict[AgentReference, KeptAgent] = {}
    opened: dict[AgentId, OpenedAgent | str] = {}
    faults: dict[str, Fault] = {}
    coming = coming or {}
    queue = list(references_in(definition))
    while queue:
        await _open_all(documents, opening, opened, [one for _, one in queue if one not in coming])
        following: list[tuple[str, AgentReference]] = []
        for path, reference in queue:
            found = kept.get(reference) or coming.get(reference)
            found = found or await _load(documents, opened[AgentId(reference.id)], reference)
            if isinstance(found, str):
                faults[path] = Fault(f"{path}.agent.id", found)
            elif reference not in kept:
                kept[reference] = found
                following += [(path, inner) for _, inner in references_in(found.definition)]
        queue = following
    if faults:
        raise InvalidArgument("The graph refers to agents that cannot be run.", tuple(faults.values()))
    return kept


async def _open_all(
    documents: Documents,
    opening: Opening,
    opened: dict[AgentId, OpenedAgent | str],
    references: list[AgentReference],
) -> None:
    """Open every agent that is referred to and was not opened before, in one round trip and what their grants need."""
    new = [agent_id for agent_id in dict.fromkeys(AgentId(one.id) for one in references) if agent_id not in opened]
    for snapshot in await documents.get_many([agent_path(agent_id) for agent_id in new]) if new else []:
        try:
            opened[AgentId(snapshot.id)] = await opening(snapshot)
        except GrantUsedUp:
            raise
        except NotFound:
            opened[AgentId(snapshot.id)] = f"there is no agent '{snapshot.id}' that you may run"
        except PermissionDenied as error:
            opened[AgentId(snapshot.id)] = f"you cannot run '{snapshot.id}': {error.message}"


async def _load(documents: Documents, opened: OpenedAgent | str, reference: AgentReference) -> KeptAgent | str:
    """The version that a reference means, or why it cannot be run."""
    if isinstance(opened, str):
        return opened
    try:
        number = number_to_run(opened.agent, opened.access, reference.version)
        loaded = await load_definition(documents, opened.agent.id, number)
    except (NotFound, FailedPrecondition, InvalidArgument) as error:
        return f"'{reference.id}' cannot be run: {error.message}"
    return KeptAgent(opened.agent.id, number, loaded.author_uid, loaded.definition)
