"""A plan with its edges looked up once: who waits for whom, and what is inside what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from shared.domain.ids import NodeId, RunId
from shared.domain.nodes import FAILED_CASE
from shared.domain.plans import (
    DENIED,
    EndWork,
    FallbackWork,
    InputWork,
    LoopWork,
    MapWork,
    Plan,
    PlanNode,
    SubgraphWork,
    Turn,
    TurnsWork,
    below,
    split_plan,
)

KEPT_GRAPHS = 16
"""How many plans a process remembers as read."""


@dataclass(frozen=True)
class PlanGraph:
    """A plan with its edges looked up once."""

    plan: Plan

    @cached_property
    def split(self) -> tuple[str, tuple[str, ...]]:
        """The plan's digest and its text in chunks, as `split_plan`: the same for all runs of a version."""
        return split_plan(self.plan)

    @cached_property
    def by_id(self) -> dict[NodeId, PlanNode]:
        """Each vertex by its id."""
        return {node.id: node for node in self.plan.nodes}

    @cached_property
    def successors(self) -> dict[NodeId, tuple[PlanNode, ...]]:
        """For each vertex, those that wait for it."""
        found: dict[NodeId, list[PlanNode]] = {node.id: [] for node in self.plan.nodes}
        for node in self.plan.nodes:
            for before in node.after:
                found[before].append(node)
        return {node: tuple(after) for node, after in found.items()}

    @cached_property
    def counted_by(self) -> dict[NodeId, PlanNode]:
        """For each vertex, the first that waits for the same ends of the same vertices: one counter serves them all."""
        first: dict[tuple[frozenset[object], int | None], PlanNode] = {}
        awaited = {node.id: (frozenset({*node.after, *node.cases.items()}), node.enough) for node in self.plan.nodes}
        return {node.id: first.setdefault(awaited[node.id], node) for node in self.plan.nodes}

    @cached_property
    def entries(self) -> tuple[PlanNode, ...]:
        """The vertices that wait for nothing."""
        return tuple(node for node in self.plan.nodes if not node.after)

    @cached_property
    def may_end_early(self) -> bool:
        """Whether the run may end while some of its nodes have not: a join does not wait for all."""
        return any(node.enough is not None for node in self.plan.nodes)

    @cached_property
    def starts_with_its_claim(self) -> bool:
        """Whether nobody has started or ended the run before its first node is claimed for the first time."""
        return len(self.entries) == 1 and not self.may_end_early

    def is_map(self, node: NodeId) -> bool:
        """Whether the vertex expands into an instance for each item of a list."""
        return isinstance(self.by_id[node].work, MapWork)

    def gives_items(self, node: NodeId) -> bool:
        """Whether the vertex gives a list that joins take apart: it is a map, or ends one."""
        work = self.by_id[node].work
        return self.is_map(node) or (isinstance(work, TurnsWork) and work.gives == "all")

    def expands(self, node: NodeId) -> bool:
        """Whether the vertex expands into instances: items or rounds."""
        return node in self._expanding

    @cached_property
    def _expanding(self) -> frozenset[NodeId]:
        return frozenset(node.id for node in self.plan.nodes if isinstance(node.work, MapWork | LoopWork))

    def concludes(self, node: NodeId) -> bool:
        """Whether the vertex waits for others to end in any way, because its outcome follows from theirs."""
        return node in self._concluding

    @cached_property
    def _concluding(self) -> frozenset[NodeId]:
        kinds = SubgraphWork | FallbackWork | TurnsWork | EndWork
        return frozenset(node.id for node in self.plan.nodes if isinstance(node.work, kinds))

    def item_ended_by(self, node: NodeId) -> Turn | None:
        """Which item of a map ends with the vertex, because its graph does; None if none does."""
        first = self.by_id.get(below(node, "input"))
        turn = first.work.turn if first is not None and isinstance(first.work, InputWork) else None
        return None if turn is None or turn.until is not None else turn

    def first_inside(self, node: NodeId) -> NodeId:
        """The vertex with which what the vertex concludes begins; it is skipped with that one."""
        match self.by_id[node].work:
            case FallbackWork():
                return below(node, "main")
            case TurnsWork(gives="all"):
                return below(node, "items")
            case TurnsWork():
                return below(node, "0")
            case _:
                return below(node, "input")

    @cached_property
    def inside(self) -> dict[NodeId, tuple[PlanNode, ...]]:
        """For each vertex whose outcome follows from others, those."""
        found: dict[NodeId, list[PlanNode]] = {}
        for node in self.plan.nodes:
            if node.within is not None:
                found.setdefault(node.within, []).append(node)
        return {node: tuple(those) for node, those in found.items()}

    def handles_failure(self, node: NodeId) -> bool:
        """Whether a failure of the vertex has a successor that waits for it; nothing waits for a delegate's."""
        return any(successor.cases.get(node) == FAILED_CASE for successor in self.successors.get(node, ()))

    def handles_denial(self, node: NodeId) -> bool:
        """Whether a no at the vertex has a successor that waits for it."""
        return any(successor.cases.get(node) == DENIED for successor in self.successors[node])

    def earlier(self, node: PlanNode) -> tuple[RunId, ...]:
        """The runs in which the vertex may have an outcome that holds, the latest first."""
        return self.plan.earlier[: node.carried]

    def ends_run(self, node: NodeId) -> bool:
        """Whether the run ends with this vertex."""
        return node == self.plan.nodes[-1].id


@lru_cache(KEPT_GRAPHS)
def read_plan(text: str) -> PlanGraph:
    """The graph of a plan's JSON text; kept, because all runs of a version have the same."""
    return PlanGraph(Plan.model_validate_json(text))
