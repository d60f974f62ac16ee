"""Check what an alias is about to mean: agents that run each other would never end."""

from __future__ import annotations

from shared.domain.agents import AgentVersion
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import InvalidArgument
from shared.domain.grants import Permission
from shared.domain.graph_definitions import AgentReference
from shared.domain.kept_agents import KeptAgent
from shared.domain.records import from_json
from shared.domain.writes import Write
from shared.ports.documents import Snapshot
from shared.ports.identity import Identity
from shared.usecases.agents.check_graph import while_unchanged
from shared.usecases.agents.find_circles import find_circles
from shared.usecases.agents.find_kept_agents import look_for_kept_agents
from shared.usecases.agents.shelf import Shelf
from shared.usecases.grants.open_agent import OpenedAgent, admit


async def check_alias(shelf: Shelf, caller: Identity, alias: str, version: AgentVersion) -> tuple[Write, ...]:
    """What is to be written in the commit that makes `alias` mean this version, so that nothing else closes a circle.

    Agents that the caller may not run, or that are not there any more, lead nowhere here: a move back to what was
    released once is not for them to refuse, and a run is refused where they are missed.

    Raises:
        InvalidArgument: the version comes to run what the alias means, with every node by which it does.
        Unavailable: the store does not answer.
    """
    definition = AgentDefinition.model_validate(from_json(version.definition_json))
    if definition.graph is None or definition.parameters is not None:
        return ()
    opened: list[Snapshot] = []

    async def opening(snapshot: Snapshot) -> OpenedAgent:
        opened.append(snapshot)
        return await admit(shelf.documents, caller, snapshot, Permission.RUN)

    meant = KeptAgent(version.agent_id, version.number, version.created_by, definition)
    coming = dict.fromkeys([AgentReference(id=version.agent_id, version=alias)], meant)
    kept, _ = await look_for_kept_agents(shelf.documents, definition, opening, coming)
    if circles := tuple(find_circles(meant, kept)):
        raise InvalidArgument("The agents run each other.", circles)
    return tuple(while_unchanged(version.agent_id, kept, opened))
