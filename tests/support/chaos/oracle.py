"""What a vertex must come to, given what those before it came to: computed from the plan, without the engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, cast

from shared.adapters.cel.evaluation import judge
from shared.domain.ids import NodeId, instance_of
from shared.domain.joins import JoinCount, Readiness, decide
from shared.domain.nodes import NodeRun, node_path, passes
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import (
    OTHERWISE,
    AgentWork,
    AnyWork,
    BranchWork,
    EndWork,
    FallbackWork,
    InputWork,
    ItemsWork,
    JoinWork,
    LoopWork,
    MapWork,
    PlanNode,
    SubgraphWork,
    ToolWork,
    Turn,
    TurnsWork,
    below,
)
from shared.domain.records import from_json
from shared.domain.run_inputs import hand_over
from shared.domain.runs import Run
from shared.domain.states import NodeState, is_terminal
from shared.domain.templates import as_text, render_template
from tests.support.chaos.definitions import script_of

MOST_GATHERED = 8
"""Up to how many outputs every selection of them is looked at."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What a node must come to: an outcome of the tool's or agent's own, or one of several outputs."""

    fails: bool = False
    outputs: tuple[Any, ...] = field(default_factory=tuple[Any, ...])
    chosen: str | None = None


@dataclass(frozen=True)
class Actual:
    """What the vertices of a run came to."""

    run: Run
    graph: PlanGraph
    nodes: Mapping[str, NodeRun]
    _seen: dict[NodeId, Sequence[Any]] = field(default_factory=dict[NodeId, Sequence[Any]])

    def node(self, name: NodeId, index: int | None = None) -> NodeRun | None:
        """A node run."""
        return self.nodes.get(node_path(self.run.id, instance_of(name, self.run.epoch, index)))

    def items(self, name: NodeId) -> Sequence[NodeRun]:
        """The items of a map, or the rounds of a loop, in order."""
        return self._items.get(name, ())

    @cached_property
    def _items(self) -> Mapping[NodeId, Sequence[NodeRun]]:
        found: dict[NodeId, list[NodeRun]] = defaultdict(list)
        for node in self.nodes.values():
            if node.index is not None:
                found[node.node].append(node)
        return {name: sorted(items, key=lambda node: node.index or 0) for name, items in found.items()}

    def expected_items(self, name: NodeId) -> int | None:
        """How many items a vertex has; None if it has no such thing, or they depend on the rounds."""
        own = self.node(name)
        if not self.graph.is_map(name) or own is None or own.items_json is None:
            return None
        return len(from_json(own.items_json))

    def resolving(self, name: NodeId) -> list[NodeRun]:
        """The node runs whose ends resolve the edges of a vertex."""
        own, items = self.node(name), self.items(name)
        if own is None or own.state is not NodeState.SUCCEEDED or not self.graph.expands(name):
            return [own] if own is not None and is_terminal(own.state) else []
        if self.graph.is_map(name):
            return [item for item in items if is_terminal(item.state)] if self.expected_items(name) else [own]
        return [item for item in items if is_terminal(item.state) and item.next_index is None]

    def count(self, vertex: PlanNode) -> JoinCount:
        """What a vertex's counter must say."""
        resolved = ok = added = 0
        for name in vertex.after:
            ended, case = self.resolving(name), vertex.cases.get(name)
            resolved += len(ended)
            ok += sum(passes(node.state, node.chosen, case) for node in ended)
            added += max(self.expected_items(name) or 1, 1) - 1
        return JoinCount(resolved, ok, added)

    def withdrawn(self, vertex: PlanNode) -> int:
        """How many of those that resolve a vertex's edges ended without an outcome of their own."""
        return sum(node.state is NodeState.CANCELLED for name in vertex.after for node in self.resolving(name))

    def readiness(self, vertex: PlanNode) -> Readiness:
        """Whether a vertex must have fired."""
        return decide(len(vertex.after), self.count(vertex), vertex.enough) if vertex.after else Readiness.FIRE

    def is_skipped(self, vertex: PlanNode) -> bool:
        """Whether a vertex is skipped once it may begin: it has too few to wait for, or what it is made of was."""
        if not self.graph.concludes(vertex.id):
            return self.readiness(vertex) is Readiness.SKIP or self._has_no_turn(vertex)
        first = self.node(self.graph.first_inside(vertex.id))
        return first is not None and first.state is NodeState.SKIPPED

    def _has_no_turn(self, vertex: PlanNode) -> bool:
        """Whether the list has no such item, or the loop ended before such a round."""
        turn = vertex.work.turn if isinstance(vertex.work, InputWork) else None
        if turn is None or self.readiness(vertex) is not Readiness.FIRE:
            return False
        if turn.until is None:
            return turn.index >= len(self.seen(below(turn.of, "items"))[0])
        return turn.index > 0 and judge(turn.until, self._turn(vertex, turn, turn.index - 1)) is True

    def _given_by(self, turn: Turn, index: int) -> Sequence[Any]:
        """The output of a round, if there is one."""
        name = below(turn.of, str(index))
        return self.seen(name) if name in self.graph.by_id else ()

    def _turn(self, vertex: PlanNode, turn: Turn, index: int) -> dict[str, Any]:
        """What the templates of an item or a round see, and, once it has ended, its condition."""
        if turn.until is None:
            item = self.seen(below(turn.of, "items"))[0][index]
            return {**self._scope(vertex), "item": item, "index": index}
        item, output = [next(iter(self._given_by(turn, number)), None) for number in (index - 1, index)]
        return {**self._scope(vertex), "item": item, "output": output, "index": index}

    def _fails_inside(self, vertex: PlanNode) -> bool:
        """Whether something failed of which the vertex is made, and nothing waits for that."""
        names = {node.id for node in self.graph.inside[vertex.id]}
        failed = {node.node for node in self.nodes.values() if node.state is NodeState.FAILED}
        return any(not self.graph.handles_failure(name) for name in names & failed)

    def seen(self, name: NodeId) -> Sequence[Any]:
        """The output of a vertex as templates and joins see it; nothing if there is none."""
        if name not in self._seen:
            self._seen[name] = self._look_at(name)
        return self._seen[name]

    def _look_at(self, name: NodeId) -> Sequence[Any]:
        own = self.node(name)
        if not self.graph.expands(name):
            return [from_json(own.output_json)] if own is not None and own.state is NodeState.SUCCEEDED else []
        items = [item for item in self.items(name) if item.state is NodeState.SUCCEEDED]
        if self.graph.is_map(name):
            return [[from_json(item.output_json) for item in items]]
        return [from_json(item.output_json) for item in items[-1:] if item.next_index is None]

    def fate(self, vertex: PlanNode, index: int | None = None) -> Fate:
        """What a vertex, an item or a round must come to once it has fired."""
        scope = self._scope(vertex)
        work: AnyWork = vertex.work
        if isinstance(work, MapWork | LoopWork) and index is not None:
            scope |= {"item": self._item(vertex, index), "index": index}
            work = work.body
        return self._fate(vertex, work, scope)

    def _scope(self, vertex: PlanNode) -> dict[str, Any]:
        """What a vertex's templates see: the input of its graph, and the outputs of those beside it, or nulls."""
        prefix = below(vertex.scope, "")
        beside = [name for name in self.graph.by_id if name.startswith(prefix) and "." not in name.removeprefix(prefix)]
        outputs = {name.removeprefix(prefix): next(iter(self.seen(name)), None) for name in beside}
        given = from_json(self.run.input_json) if vertex.scope is None else outputs.get("input")
        return {**{name: {"output": output} for name, output in outputs.items()}, "input": given}

    def _item(self, vertex: PlanNode, index: int) -> Any:
        if isinstance(vertex.work, LoopWork):
            before = self.node(vertex.id, index - 1) if index else None
            return None if before is None else from_json(before.output_json)
        own = self.node(vertex.id)
        return from_json(own.items_json)[index] if own is not None else None

    def _fate(self, vertex: PlanNode, work: AnyWork, scope: Mapping[str, Any]) -> Fate:
        if isinstance(work, SubgraphWork | FallbackWork | TurnsWork) and self._fails_inside(vertex):
            return Fate(fails=True)
        match work:
            case ToolWork():
                return tool_fate(work.tool, render_template(work.arguments, scope))
            case BranchWork():
                holds = (case for case, condition in work.cases if judge(condition, scope) is True)
                chosen = next(holds, OTHERWISE)
                return Fate(outputs=({"case": chosen},), chosen=chosen)
            case MapWork() | ItemsWork():
                items: Any = render_template(work.over, scope)
                if not isinstance(items, list) or len(listed := cast("list[Any]", items)) > work.max_items:
                    return Fate(fails=True)
                return Fate(outputs=(listed if isinstance(work, ItemsWork) else {"count": len(listed)},))
            case _:
                return Fate(outputs=tuple(self._outputs(vertex, work, scope)))

    def _outputs(self, vertex: PlanNode, work: AnyWork, scope: Mapping[str, Any]) -> list[Any]:
        """What a node that cannot fail by itself may give."""
        match work:
            case AgentWork():
                given = None if work.input is None else hand_over(None, render_template(work.input, scope))
                prompt = as_text(render_template(work.prompt, scope if given is None else {"input": given}))
                steps = script_of(work.agent.system_prompt)
                return [steps[-1].text(prompt, len(steps) - 1)]
            case LoopWork():
                return [{"count": work.max_rounds}]
            case JoinWork():
                return self._gathered(vertex, work)
            case InputWork():
                seen = scope if work.turn is None else self._turn(vertex, work.turn, work.turn.index)
                return [hand_over(None, render_template(work.value, seen))]
            case SubgraphWork() | FallbackWork() | TurnsWork() | EndWork():
                return [self._concluded(vertex, work)]
            case _:
                return []

    def _concluded(self, vertex: PlanNode, work: SubgraphWork | FallbackWork | TurnsWork | EndWork) -> Any:
        """What a vertex gives that is made of others."""
        prefix = below(None if isinstance(work, EndWork) else vertex.id, "")
        outputs = {name.removeprefix(prefix): seen[0] for name in vertex.after if (seen := self.seen(name))}
        if isinstance(work, FallbackWork):
            return next(iter(outputs.values()), None)
        if isinstance(work, TurnsWork):
            given = list(outputs.values())
            return given if work.gives == "all" else next(reversed(given), None)
        return next(iter(outputs.values()), None) if len(vertex.after) == 1 else outputs

    def _gathered(self, vertex: PlanNode, work: JoinWork) -> list[Any]:
        """What a join may have gathered: from all, or from those that had succeeded when enough had.

        Nothing is known where too many could have.
        """
        every: list[Any] = []
        for name in vertex.after:
            seen = self.seen(name)
            every += seen[0] if seen and self.graph.gives_items(name) else seen
        if work.enough is not None and len(every) > MOST_GATHERED:
            return []
        sizes = [len(every)] if work.enough is None else range(len(every) + 1)
        gathered = [list(some) for size in sizes for some in combinations(every, size)]
        if work.reducer == "text":
            return ["\n\n".join(as_text(output) for output in outputs) for outputs in gathered]
        return list(gathered)


def tool_fate(name: str, arguments: Mapping[str, Any]) -> Fate:
    """What a tool answers."""
    if name == "fail":
        return Fate(fails=True, outputs=("it failed",))
    return Fate(outputs=(list(range(arguments["count"])) if name == "numbers" else arguments["value"],))
