"""What is wrong with a graph that has the right form: seen without running it, and without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.condition_samples import condition_paths
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault
from shared.domain.graph_reach import reach_faults
from shared.domain.graph_types import Condition, Level, top_level


def analysis_faults(definition: AgentDefinition) -> Iterator[Fault]:
    """Nodes that never run, outputs that are never there, paths that lead to nothing, lists that are none."""
    for level in _levels(definition):
        yield from reach_faults(level.path, level.nodes)
        yield from level.type_faults()
        for condition in level.conditions():
            yield from condition_paths(condition)


def conditions_in(definition: AgentDefinition) -> Iterator[Condition]:
    """Every condition, with the types of what it may refer to."""
    for level in _levels(definition):
        yield from level.conditions()


def _levels(definition: AgentDefinition) -> Iterator[Level]:
    if definition.graph is not None:
        yield from top_level(definition.graph.nodes, definition.input_schema).levels()
