"""How much of a plan a single end sets off: its successors are enqueued in one call, and counted in one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce

from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault
from shared.domain.ids import NodeId
from shared.domain.joins import needs_counter
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plan_places import place_of
from shared.domain.plans import InputWork, ItemsWork, Plan, PlanNode
from shared.domain.runs import WAVE

MOST_IN_COMMIT = 400
"""Nodes or counters that one commit writes, of 500 writes: what else ends a node or a run needs the others."""
_MAP = "a map: its items are set off in waves"


def width_faults(plan: Plan, definition: AgentDefinition) -> Iterator[Fault]:
    """What sets off more nodes than are enqueued in one call, or counts for more than one commit holds.

    Maps go in waves; what is written out does not.
    """
    if definition.graph is None:
        return
    entries = sum(not node.after for node in plan.nodes)
    if entries > WAVE:
        yield Fault("graph.nodes", f"the start of a run {_sets_off(entries)}", _MAP)
    told: dict[str, Fault] = {}
    for node, many, counters in _wide(PlanGraph(plan)):
        place = place_of(definition.graph.nodes, node.id)
        if many > WAVE:
            told.setdefault(place, _too_wide(place, node, many))
        elif counters > MOST_IN_COMMIT:
            told.setdefault(place, _too_involved(place, node, counters))
    yield from told.values()


def _wide(graph: PlanGraph) -> Iterator[tuple[PlanNode, int, int]]:
    """The vertices that many wait for: how many of those each may set off, and how many counters its end writes."""
    numbers = {node: 1 << number for number, node in enumerate(_waited_for_by_many(graph))}
    if not numbers:
        return
    sets_off = _set_off(graph.plan, numbers)
    for name in numbers:
        counted = {graph.counted_by[node.id].id for node in graph.successors[name] if needs_counter(graph, node)}
        yield graph.by_id[name], sets_off[name], len(counted)


def _waited_for_by_many(graph: PlanGraph) -> Iterator[NodeId]:
    many = (name for name, after in graph.successors.items() if len(after) > min(WAVE, MOST_IN_COMMIT))
    return (name for name in many if not isinstance(graph.by_id[name].work, ItemsWork))


def _set_off(plan: Plan, numbers: Mapping[NodeId, int]) -> Counter[NodeId]:
    """How many vertices each of the numbered ones may be the last to be waited for by.

    Args:
        plan: predecessors before successors.
        numbers: a bit for each; sets of them are numbers, so that one pass tells of all.
    """
    found: Counter[NodeId] = Counter()
    ended: dict[NodeId, int] = {}
    for node in plan.nodes:
        awaited = _union(numbers.get(name, 0) for name in node.after)
        earlier = _union(ended[name] for name in node.after)
        if node.enough is None:
            last = awaited & ~earlier
            ended[node.id] = awaited | earlier
        else:  # it may run before the others have ended
            last = awaited
            ended[node.id] = reduce(int.__and__, (ended[name] for name in node.after))
        found.update(name for name in node.after if numbers.get(name, 0) & last)
    return found


def _union(sets: Iterable[int]) -> int:
    return reduce(int.__or__, sets, 0)


def _too_wide(place: str, node: PlanNode, many: int) -> Fault:
    return Fault(place, f"{_begun(node)} {_sets_off(many)}", _MAP)


def _too_involved(place: str, node: PlanNode, counters: int) -> Fault:
    reason = f"{_begun(node)} is waited for together with others in {counters:,} ways; at most {MOST_IN_COMMIT}"
    return Fault(place, reason, "a subgraph, whose nodes see as their input what it gives")


def _sets_off(many: int) -> str:
    return f"sets off {many:,} nodes at once; at most {WAVE}"


def _begun(node: PlanNode) -> str:
    """A vertex as its author knows it: what begins a graph has no name of its own."""
    if isinstance(node.work, InputWork):
        return f"the start of '{node.id.removesuffix('.input')}'"
    return f"'{node.id}'"
