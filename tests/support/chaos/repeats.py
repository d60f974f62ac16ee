"""What a run that repeats another takes over from it: from the plan and from what was watched, without the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from shared.domain.ids import Instance, NodeId, RunId, parse_instance
from shared.domain.nodes import node_path
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import END
from shared.domain.states import NodeState


@dataclass(frozen=True, slots=True)
class Repeat:
    """That a run repeats another.

    Args:
        earlier: the run that is repeated.
        nodes: the states of its nodes when the repetition began, by path.
        anew: the vertices that work on something else than they did then.
    """

    earlier: RunId
    nodes: Mapping[str, NodeState]
    anew: frozenset[NodeId]


@dataclass(slots=True)
class Repeats:
    """All repetitions in a world."""

    graph: PlanGraph
    of: dict[RunId, Repeat] = field(default_factory=dict[RunId, Repeat])

    def begin(self, run_id: RunId, earlier: RunId, nodes: Mapping[str, NodeState]) -> None:
        """A run begins that does again what failed in an earlier one."""
        prefix = f"runs/{earlier}/nodes/"
        known = {path: state for path, state in nodes.items() if path.startswith(prefix)}
        failed = {self._vertex(path) for path, state in known.items() if state is NodeState.FAILED}
        unhandled = [name for name in failed if name in self.graph.by_id and not self.graph.handles_failure(name)]
        self.of[run_id] = Repeat(earlier, known, frozenset({END, *self._after(unhandled)}))

    def of_earlier(self, earlier: RunId) -> list[RunId]:
        """The runs that repeat a run."""
        return [run_id for run_id, repeat in self.of.items() if repeat.earlier == earlier]

    def lineage(self, run_id: RunId, instance: Instance) -> Iterator[Repeat]:
        """The repetitions over which a node goes on with what it did before, the latest first."""
        vertex = self._vertex(instance)
        while (repeat := self.of.get(run_id)) is not None and vertex not in repeat.anew:
            yield repeat
            run_id = repeat.earlier

    def first(self, run_id: RunId, instance: Instance) -> RunId:
        """The run in which a node's work began that goes on in `run_id`."""
        return next((repeat.earlier for repeat in reversed([*self.lineage(run_id, instance)])), run_id)

    def held(self, run_id: RunId, instance: Instance) -> str | None:
        """The path of the node whose outcome is taken over; None if it has to work."""
        for repeat in self.lineage(run_id, instance):
            path = node_path(repeat.earlier, instance)
            state = repeat.nodes.get(path)
            if state is NodeState.SUCCEEDED or (state is NodeState.FAILED and self._is_handled(instance)):
                return path
        return None

    def _is_handled(self, instance: Instance) -> bool:
        """A delegate's failure is not: only its asker has heard of it."""
        return self.graph.handles_failure(parse_instance(instance)[0])

    def _vertex(self, place: str) -> NodeId:
        """The vertex of an instance or of a node's path; a delegate belongs to the one that asks."""
        name = parse_instance(Instance(place.rpartition("/")[2]))[0]
        return name if name in self.graph.by_id else NodeId(name.partition(".")[0])

    def _after(self, names: Iterable[NodeId]) -> set[NodeId]:
        found: set[NodeId] = set()
        left = list(names)
        while left:
            new = {successor.id for successor in self.graph.successors[left.pop()]} - found
            found |= new
            left += new
        return found
