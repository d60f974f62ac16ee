"""Find what in a graph leads back to the agent that the graph is of: agents that run each other would never end."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from shared.domain.errors import Fault
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId
from shared.domain.kept_agents import KeptAgent, KeptAgents, references_in


def find_circles(written: KeptAgent, kept: KeptAgents) -> Iterator[Fault]:
    """Every node of the definition that is being written whose agent comes to run that definition again.

    Args:
        written: the version that will be the latest of its agent.
        kept: what all references mean once it is.
    """
    ways = _ways_back(written, kept)
    for path, reference in references_in(written.definition):
        if reference in ways:
            chain = " → ".join((written.agent_id, *ways[reference]))
            yield Fault(f"{path}.agent.id", f"the agents run each other: {chain}")


def _ways_back(written: KeptAgent, kept: KeptAgents) -> dict[AgentReference, tuple[AgentId, ...]]:
    """The shortest way from each reference to the new definition, found backwards: each is looked at once."""
    asked_by: defaultdict[AgentReference, list[AgentReference]] = defaultdict(list)
    for reference, agent in kept.items():
        for _, inner in references_in(agent.definition):
            asked_by[inner].append(reference)
    ways: dict[AgentReference, tuple[AgentId, ...]] = {
        reference: (written.agent_id,) for reference, agent in kept.items() if agent is written
    }
    waiting = deque(ways)
    while waiting:
        reached = waiting.popleft()
        for reference in asked_by[reached]:
            if reference not in ways:
                ways[reference] = (kept[reference].agent_id, *ways[reached])
                waiting.append(reference)
    return ways
