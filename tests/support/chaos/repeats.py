"""What a run that repeats another takes over from it: from the plan and from what was watched, without the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from shared.domain.ids import Instance, NodeId, RunId, parse_instance
from shared.domain.nodes import node_path
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import END, InputWork
from shared.domain.runs import RepeatKind
from shared.domain.states import NodeState
from tests.support.chaos.delegates import holder_of


@dataclass(frozen=True, slots=True)
class Repeat:
    """That a run repeats another.

    Args:
        earlier: the run that is repeated.
        kind: how.
        nodes: the states of its nodes when the repetition began, by path.
        anew: the vertices that work on something else than they did then.
    """

    earlier: RunId
    kind: RepeatKind
    nodes: Mapping[str, NodeState]
    anew: frozenset[NodeId]


@dataclass(slots=True)
class Repeats:
    """All repetitions in a world."""

    graph: PlanGraph
    of: dict[RunId, Repeat] = field(default_factory=dict[RunId, Repeat])

    def begin(self, run_id: RunId, told: Mapping[str, Any], nodes: Mapping[str, NodeState]) -> None:
        """A run begins that repeats an earlier one as it tells."""
        prefix = f"runs/{told['run_id']}/nodes/"
        known = {path: state for path, state in nodes.items() if path.startswith(prefix)}
        failed = {self._vertex(path) for path, state in known.items() if state is NodeState.FAILED}
        unhandled = {name for name in failed if name in self.graph.by_id and not self.graph.handles_failure(name)}
        anew = {END, *self._replayed(told["node"], unhandled), *self._after(unhandled)}
        if told["kind"] == "regenerate":
            anew = {*self.graph.by_id}
        self.of[run_id] = Repeat(told["run_id"], told["kind"], known, frozenset(anew))

    def of_earlier(self, earlier: RunId, kind: RepeatKind) -> list[RunId]:
        """The runs that repeat a run in the same way."""
        return [run_id for run_id, repeat in self.of.items() if (repeat.earlier, repeat.kind) == (earlier, kind)]

    def lineage(self, run_id: RunId, instance: Instance) -> Iterator[Repeat]:
        """The repetitions over which a node goes on with what it did before, the latest first."""
        vertex = self._vertex(instance)
        while (repeat := self.of.get(run_id)) is not None and vertex not in repeat.anew:
            yield repeat
            run_id = repeat.earlier

    def held(self, run_id: RunId, instance: Instance) -> str | None:
        """The path of the node whose outcome is taken over; None if it has to work."""
        for repeat in self.lineage(run_id, instance):
            path = node_path(repeat.earlier, instance)
            state = repeat.nodes.get(path)
            if state is NodeState.SUCCEEDED or (state is NodeState.FAILED and self._is_handled(instance)):
                return path
        return None

    def made_in(self, run_id: RunId, instance: Instance) -> RunId:
        """The run in which a node worked for the outcome that it has in `run_id`."""
        while (path := self.held(run_id, instance)) is not None:
            run_id = RunId(path.split("/")[1])
        return run_id

    def _is_handled(self, instance: Instance) -> bool:
        """A delegate's failure is not: only its asker has heard of it."""
        return self.graph.handles_failure(parse_instance(instance)[0])

    @staticmethod
    def _vertex(place: str) -> NodeId:
        """The vertex of an instance or of a node's path; a delegate belongs to the one that asks."""
        return parse_instance(holder_of(Instance(place.rpartition("/")[2])))[0]

    def _replayed(self, name: NodeId | None, failed: Iterable[NodeId]) -> set[NodeId]:
        """A vertex that is replayed, with all that it is made of, what comes after, and what begins the graphs around.

        What begins the graphs around something that failed may see another input, too.
        """
        if name is None:
            return set()
        around = {f"{outer}.input" for one in (name, *failed) for outer in accumulate(one.split(".")[:-1], _inside)}
        own = {one.id for one in self.graph.plan.nodes if one.id == name or one.id.startswith(f"{name}.")}
        begins = {one.id for one in self.graph.plan.nodes if isinstance(one.work, InputWork) and one.id in around}
        return own | begins | self._after(own)

    def _after(self, names: Iterable[NodeId]) -> set[NodeId]:
        found: set[NodeId] = set()
        left = list(names)
        while left:
            new = {successor.id for successor in self.graph.successors[left.pop()]} - found
            found |= new
            left += new
        return found


def _inside(outer: str, name: str) -> str:
    return f"{outer}.{name}"
