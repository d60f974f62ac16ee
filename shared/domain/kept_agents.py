"""Agents that are kept on their own, as parts of other agents' graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from shared.domain.definitions import AgentDefinition
from shared.domain.graph_definitions import AgentNode, AgentReference, parts_of
from shared.domain.ids import AgentId, Uid


@dataclass(frozen=True, slots=True)
class KeptAgent:
    """The version of an agent that a reference means."""

    agent_id: AgentId
    version: int
    author_uid: Uid
    definition: AgentDefinition


KeptAgents: TypeAlias = Mapping[AgentReference, KeptAgent]


def references_in(definition: AgentDefinition) -> Iterator[tuple[str, AgentReference]]:
    """The agents that a graph refers to, each with the path of the node that does."""
    nodes = {} if definition.graph is None else definition.graph.nodes
    for path, part in parts_of("graph.nodes", nodes):
        if isinstance(part, AgentNode) and part.agent is not None:
            yield path, part.agent
