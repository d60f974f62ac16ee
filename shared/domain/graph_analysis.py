"""What is wrong with a graph that has the right form: seen without running it, and without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.condition_samples import condition_paths
from shared.domain.definition_schemas import schema_faults
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault
from shared.domain.graph_reach import reach_faults
from shared.domain.graph_types import Condition, Level, Surroundings, top_level
from shared.domain.kept_agents import KeptAgents


def analysis_faults(definition: AgentDefinition) -> Iterator[Fault]:
    """Nodes that never run, outputs that are never there, paths that lead to nothing, values of another type."""
    for level in _levels(definition, {}):
        yield from reach_faults(level.path, level.nodes)
        yield from _type_faults(level)
    yield from _output_faults(definition, {})


def kept_faults(definition: AgentDefinition, kept: KeptAgents) -> Iterator[Fault]:
    """What does not fit the kept agents that a definition without faults of its own refers to.

    Args:
        definition: the graph.
        kept: what it refers to, and what that refers to; they do not run each other.
    """
    for level in _levels(definition, kept):
        yield from _type_faults(level)
    yield from _output_faults(definition, kept)


def conditions_in(definition: AgentDefinition, kept: KeptAgents) -> Iterator[Condition]:
    """Every condition, with the types of what it may refer to."""
    for level in _levels(definition, kept):
        yield from level.conditions()


def _type_faults(level: Level) -> Iterator[Fault]:
    yield from level.type_faults()
    for condition in level.conditions():
        yield from condition_paths(condition)


def _output_faults(definition: AgentDefinition, kept: KeptAgents) -> Iterator[Fault]:
    schema, top = definition.output_schema, _top(definition, kept)
    if top is not None and schema is not None and not schema_faults("", schema):
        yield from top.output_faults(schema)


def _levels(definition: AgentDefinition, kept: KeptAgents) -> Iterator[Level]:
    top = _top(definition, kept)
    return iter(()) if top is None else top.levels()


def _top(definition: AgentDefinition, kept: KeptAgents) -> Level | None:
    if definition.graph is None:
        return None
    schema = definition.input_schema
    known = None if schema is None or schema_faults("", schema) else schema
    http = {tool.name: tool.arguments for tool in definition.http_tools if not schema_faults("", tool.arguments)}
    return top_level(definition.graph.nodes, known, Surroundings(http, kept))
