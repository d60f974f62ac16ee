"""Which nodes of a graph can never run, because what they wait for never happens together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from shared.domain.errors import Fault
from shared.domain.graph_definitions import ApprovalNode, GraphNode, JoinNode
from shared.domain.node_references import cases_of, predecessors, roots_of
from shared.domain.nodes import FAILED_CASE
from shared.domain.plans import APPROVED

_SUCCEEDED = "succeeded"


def reach_faults(path: str, nodes: Mapping[str, GraphNode]) -> Iterator[Fault]:
    """The nodes that can never run, and those that need an output which is never there when they do."""
    waits = {name: predecessors(name, node, nodes) for name, node in nodes.items()}
    waits = {name: tuple(before for before in befores if before in nodes) for name, befores in waits.items()}
    try:
        order = tuple(TopologicalSorter(waits).static_order())
    except CycleError:
        return  # told elsewhere
    ways: dict[str, dict[str, str] | None] = {}
    for name in order:
        node = nodes[name]
        yield from _order_faults(f"{path}.{name}", node)
        ways[name] = _ways(node, waits[name], nodes, ways)
        if ways[name] is None and all(ways[before] is not None for before in waits[name]):
            yield Fault(f"{path}.{name}", "can never run: what it waits for never happens together")


def _order_faults(path: str, node: GraphNode) -> Iterator[Fault]:
    names = [reference.partition(".")[0] for reference in node.after]
    for position, name in enumerate(names):
        if name in names[:position]:
            yield Fault(f"{path}.after.{position}", f"'{name}' ends in one way, and is waited for here already")
    for name, case in cases_of(node).items():
        if case == FAILED_CASE and name in roots_of(node):
            yield Fault(path, f"refers to the output of '{name}', whose failure it waits for: there is none then")


def _ways(
    node: GraphNode,
    befores: tuple[str, ...],
    nodes: Mapping[str, GraphNode],
    ways: Mapping[str, dict[str, str] | None],
) -> dict[str, str] | None:
    """How other nodes have ended when this one runs; None if it never does. A join that needs some knows nothing."""
    if isinstance(node, JoinNode) and node.policy != "all":
        return {} if any(ways[before] is not None for before in befores) else None
    found: dict[str, str] = {}
    cases = {str(name): case for name, case in cases_of(node).items()}
    for before in befores:
        plain = APPROVED if isinstance(nodes[before], ApprovalNode) else _SUCCEEDED
        earlier = ways[before]
        for name, way in {**(earlier or {}), before: cases.get(before, plain)}.items():
            both = _agreed(found.get(name, way), way)
            if earlier is None or both is None:
                return None
            found[name] = both
    return found


def _agreed(one: str, other: str) -> str | None:
    """The way in which a node ends that ends in both; None if there is none."""
    if one == other or (other == _SUCCEEDED and one != FAILED_CASE):
        return one
    return other if one == _SUCCEEDED and other != FAILED_CASE else None
