"""Which failures in a graph fail it: those that no node waits for, and that no join had enough without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.domain.ids import NodeId
from shared.domain.nodes import NodeRun
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import EndWork, PlanNode
from shared.domain.states import NodeState, is_terminal

_NOT_BEGUN = frozenset({NodeState.SKIPPED, NodeState.CANCELLED})
"""What becomes of a node beyond a failure; it is cancelled where the run ends sooner."""


def unborne(graph: PlanGraph, nodes: Sequence[NodeRun]) -> list[NodeRun]:
    """The failed ones of `nodes`, which are all that have begun in a graph, that the graph does not go on without."""
    failed = [node for node in nodes if node.state is NodeState.FAILED and not graph.handles_failure(node.node)]
    if not failed or not graph.may_end_early:
        return failed
    ended = {node.node: node.state for node in nodes if node.index is None and is_terminal(node.state)}
    return [node for node in failed if not _is_borne(graph, node.node, ended)]


def _is_borne(graph: PlanGraph, failed: NodeId, ended: Mapping[NodeId, NodeState]) -> bool:
    """Whether each way on from a failure ends at a join that had enough without it, before the end of their graph.

    Between the two there are only nodes that were skipped for it, or would have been had the run gone on.
    """
    within = graph.by_id[failed].within
    skipped, left = {failed}, [failed]
    while left:
        successors = graph.successors.get(left.pop(), ())
        if not successors or any(one.id == within or isinstance(one.work, EndWork) for one in successors):
            return False
        beyond = {one.id for one in successors if not _has_enough(one, ended)}
        if not _are_skipped(beyond, ended):
            return False
        left += beyond - skipped
        skipped |= beyond
    return True


def _has_enough(node: PlanNode, ended: Mapping[NodeId, NodeState]) -> bool:
    return node.enough is not None and ended.get(node.id) is NodeState.SUCCEEDED


def _are_skipped(names: Iterable[NodeId], ended: Mapping[NodeId, NodeState]) -> bool:
    return all(ended.get(name, NodeState.SKIPPED) in _NOT_BEGUN for name in names)
