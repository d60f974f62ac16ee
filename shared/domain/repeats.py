"""Repeating a run: the same plan again, in which most vertices take over what they came to before.

A vertex works anew when what it works on may differ: everything after a vertex that failed, or that is replayed. Every
other one looks in the earlier runs first, the latest first, so that nothing is lost when a repetition is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import NodeId, RunId
from shared.domain.nodes import NodeRun
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import EndWork, Plan, below
from shared.domain.states import NodeState

MOST_EARLIER = 10
"""In how many earlier runs at most a vertex looks."""


def repeat_plan(graph: PlanGraph, run_id: RunId, anew: frozenset[NodeId]) -> Plan:
    """The plan by which the run is repeated, with `anew` the vertices whose earlier outcomes do not hold."""
    nodes = tuple(
        node.model_copy(update={"carried": 0 if node.id in anew else min(node.carried + 1, MOST_EARLIER)})
        for node in graph.plan.nodes
    )
    earlier = (run_id, *graph.plan.earlier)[:MOST_EARLIER]
    return graph.plan.model_copy(update={"nodes": nodes, "earlier": earlier})


def anew_after(graph: PlanGraph, failed: Iterable[NodeId], replayed: NodeId | None = None) -> frozenset[NodeId]:
    """The vertices whose earlier outcomes do not hold: what comes after a failure, what is replayed, and the end.

    A vertex that failed is not among them: those of its items that succeeded hold, and it goes on from its journal.
    What is replayed is all that a vertex is made of. Where something in a graph within the graph works again, so does
    what begins that one, because it sees another input, perhaps; on the same one it comes to the same.

    Raises:
        InvalidArgument: there is no vertex `replayed` in the plan.
    """
    if replayed is not None and (replayed not in graph.by_id or isinstance(graph.by_id[replayed].work, EndWork)):
        raise InvalidArgument("The request is not valid.", (Fault("body.from", f"the run has no node {replayed!r}"),))
    own = {node.id for node in graph.plan.nodes if isinstance(node.work, EndWork)}
    known = {name for name in failed if name in graph.by_id and not graph.handles_failure(name)}
    begins: set[NodeId] = set()
    if replayed is not None:
        own |= {replayed, *_parts_of(graph, replayed)}
        begins = {begin for name in (replayed, *known) for begin in _begins_around(graph, name)}
    return frozenset(own | begins | _after(graph, known | own))


def holds(graph: PlanGraph, node: NodeRun) -> bool:
    """Whether an earlier outcome holds: of what succeeded, and of a failure that the graph handles."""
    return node.state is NodeState.SUCCEEDED or (node.state is NodeState.FAILED and graph.handles_failure(node.node))


def _parts_of(graph: PlanGraph, name: NodeId) -> set[NodeId]:
    """Everything that a vertex is made of, at any depth: the nodes of a subgraph, a node and its fallback, turns."""
    return {node.id for node in graph.plan.nodes if node.id.startswith(below(name, ""))}


def _begins_around(graph: PlanGraph, name: NodeId) -> set[NodeId]:
    """What begins each of the graphs that a vertex is in."""
    found: set[NodeId] = set()
    around = graph.by_id[name].within
    while around is not None:
        begin = graph.by_id.get(below(around, "input"))
        found |= set() if begin is None else {begin.id}
        around = graph.by_id[around].within if around in graph.by_id else None
    return found


def _after(graph: PlanGraph, names: Iterable[NodeId]) -> set[NodeId]:
    """Everything downstream of the named vertices; they themselves only where one is downstream of another."""
    found: set[NodeId] = set()
    left = list(names)
    while left:
        new = {successor.id for successor in graph.successors[left.pop()]} - found
        found |= new
        left += new
    return found
