"""What a run comes to when nothing goes wrong, computed from its plan without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from shared.domain.plans import AgentWork, EndWork, JoinWork, MapWork, PlanGraph, PlanNode, ToolWork
from shared.domain.states import NodeState
from shared.domain.templates import as_text, render_template
from tests.support.chaos.definitions import script_of


@dataclass(frozen=True, slots=True)
class Expected:
    """A vertex's fate; a map's `items` are those of its instances."""

    state: NodeState
    output: Any = None
    items: tuple[Expected, ...] | None = None

    @property
    def succeeds(self) -> bool:
        """Whether what waits for it may start."""
        return self.state is NodeState.SUCCEEDED and all(item.succeeds for item in self.items or ())

    @property
    def seen(self) -> Any:
        """The output as templates and joins see it."""
        return self.output if self.items is None else [item.output for item in self.items]


def expect(graph: PlanGraph, input_: Mapping[str, Any]) -> dict[str, Expected]:
    """The fate of every vertex; the last one's is the run's."""
    fates: dict[str, Expected] = {}
    for node in graph.plan.nodes:
        fates[node.id] = _fate(graph, node, input_, fates)
    return fates


def _fate(graph: PlanGraph, node: PlanNode, input_: Mapping[str, Any], fates: Mapping[str, Expected]) -> Expected:
    ready = all(fates[name].succeeds for name in node.after)
    work = node.work
    if not ready:
        return Expected(NodeState.FAILED if isinstance(work, EndWork) else NodeState.SKIPPED)
    scope: dict[str, Any] = {"input": input_, **{name: {"output": fate.seen} for name, fate in fates.items()}}
    match work:
        case EndWork():
            outputs = {name: fates[name].seen for name in node.after}
            return Expected(NodeState.SUCCEEDED, next(iter(outputs.values())) if len(outputs) == 1 else outputs)
        case JoinWork():
            return Expected(NodeState.SUCCEEDED, _joined(graph, node, work, fates))
        case MapWork():
            return _mapped(work, scope)
        case AgentWork() | ToolWork():
            return _perform(work, scope)
        case _:
            raise NotImplementedError(work.kind)


def _joined(graph: PlanGraph, node: PlanNode, work: JoinWork, fates: Mapping[str, Expected]) -> Any:
    gathered: list[Any] = []
    for name in node.after:
        gathered += fates[name].seen if graph.is_map(name) else [fates[name].seen]
    return "\n\n".join(as_text(output) for output in gathered) if work.reducer == "text" else gathered


def _mapped(work: MapWork, scope: Mapping[str, Any]) -> Expected:
    items: Any = render_template(work.over, scope)
    if not isinstance(items, list):
        return Expected(NodeState.FAILED)
    count = len(cast("list[Any]", items))
    done = tuple(_perform(work.body, {**scope, "item": items[index], "index": index}) for index in range(count))
    return Expected(NodeState.SUCCEEDED, {"count": count}, done)


def _perform(work: AgentWork | ToolWork, scope: Mapping[str, Any]) -> Expected:
    if isinstance(work, AgentWork):
        prompt = as_text(render_template(work.prompt, scope))
        steps = script_of(work.agent.system_prompt)
        return Expected(NodeState.SUCCEEDED, steps[-1].text(prompt, len(steps) - 1))
    return tool_outcome(work.tool, render_template(work.arguments, scope))


def tool_outcome(name: str, arguments: Mapping[str, Any]) -> Expected:
    """What a tool answers."""
    if name == "fail":
        return Expected(NodeState.FAILED, "it failed")
    return Expected(NodeState.SUCCEEDED, list(range(arguments["count"])) if name == "numbers" else arguments["value"])
