"""Whether what a definition refers to exists: tools and their configuration, nodes, templates.

The checks read the author's own text as far as it has the right form, so that they find what is
wrong besides faults of form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.definitions import MAX_DELEGATION_DEPTH
from shared.domain.errors import Fault
from shared.domain.graph_checks import graph_faults
from shared.domain.model_checks import model_faults
from shared.domain.templates import malformed
from shared.domain.tool_checks import tool_faults
from shared.domain.written_definitions import fields_of


def check_references(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything in a definition that refers to nothing, or does not fit what it refers to."""
    if raw.get("type") == "graph" and raw.get("graph") is None:
        yield Fault("graph", "is missing: a definition of type 'graph' has one")
    if raw.get("type") != "graph" and raw.get("graph") is not None:
        yield Fault("type", "must be graph, since there is a 'graph'", "graph")
    yield from _delegation_faults(raw)
    yield from model_faults("model", raw.get("model"))
    yield from tool_faults(raw)
    yield from graph_faults("graph.nodes", fields_of(fields_of(raw.get("graph")).get("nodes")))
    for name, workflow in fields_of(raw.get("workflows")).items():
        yield from _workflow_faults(f"workflows.{name}", workflow)


def _delegation_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    agents = fields_of(raw.get("agents"))
    if raw.get("type") == "delegation" and not agents:
        yield Fault("agents", "is missing: a definition of type 'delegation' names the agents that it may ask")
    if raw.get("type") != "delegation" and agents:
        yield Fault("type", "must be delegation, since there are 'agents'", "delegation")
    yield from _sub_agent_faults("agents", agents, MAX_DELEGATION_DEPTH)


def _sub_agent_faults(path: str, agents: Mapping[str, Any], depth: int) -> Iterator[Fault]:
    if agents and depth == 0:
        yield Fault(path, f"agents may stand at most {MAX_DELEGATION_DEPTH} deep below one another")
        return
    for name, raw in agents.items():
        fields = fields_of(raw)
        yield from model_faults(f"{path}.{name}.model", fields.get("model"))
        yield from _sub_agent_faults(f"{path}.{name}.agents", fields_of(fields.get("agents")), depth - 1)


def _workflow_faults(path: str, raw: Any) -> Iterator[Fault]:
    for placeholder in malformed(raw):
        yield Fault(path, f"{placeholder[:100]} is not a path", "{{ search_results }}")
