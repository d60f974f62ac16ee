"""Plan a definition: one flat graph of vertices, whatever its subgraphs, kept agents and fallbacks.

A subgraph `review` becomes `review.input`, which waits for what the subgraph waits for and holds what its nodes see as
their input; `review.collect` and so on, for each node in it; and `review`, which waits for the last of those to end in
any way, and comes to what a run of the subgraph would come to. A graph that is kept as an agent of its own is a
subgraph with tools of its own. A node `fetch` with a fallback becomes `fetch.main`; `fetch.fallback`, which waits for
its failure; and `fetch`, which comes to what the first of them that succeeded came to. A map `each` whose body is a
graph becomes `each.items`, which holds the list; a subgraph `each.0`, `each.1` and so on for each item that there may
be; and `each`, which waits for all of these. A loop is likewise, but that each round waits for the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Any

from shared.domain.budgets import Budget
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.graph_definitions import (
    MAX_DEPTH,
    AgentNode,
    AgentReference,
    ApprovalNode,
    Body,
    Graph,
    GraphNode,
    LoopNode,
    MapNode,
    SubgraphNode,
    ToolNode,
    fallback_of,
)
from shared.domain.ids import AgentId, NodeId
from shared.domain.kept_agents import KeptAgent, KeptAgents
from shared.domain.node_references import cases_of, input_of, predecessors
from shared.domain.nodes import FAILED_CASE
from shared.domain.plan_steps import agent_work, control, repeated, tool_work
from shared.domain.plans import (
    APPROVED,
    END,
    MAIN,
    AgentWork,
    AnyWork,
    EndWork,
    FallbackWork,
    InputWork,
    ItemsWork,
    Origin,
    Part,
    Plan,
    PlanNode,
    SubgraphWork,
    Turn,
    TurnsWork,
    below,
)

MAX_NODES = 5000
"""Of a plan, with all that subgraphs, kept agents and fallbacks add."""
MAX_FAULTS = 100
"""Told of a graph that cannot be planned, and a few that were found with the last of them."""


def compile_plan(definition: AgentDefinition, kept: KeptAgents | None = None) -> Plan:
    """The plan of a valid definition.

    Args:
        definition: what is run.
        kept: what it refers to, and what that refers to.

    Raises:
        InvalidArgument: with everything that keeps the graph from being planned: too many nodes, agents that run
            themselves.
    """
    planner = _Planner(kept or {})
    if definition.graph is None:
        work = AgentWork(kind="agent", agent=definition.agent_spec(), prompt=definition.prompt)
        nodes = (PlanNode(id=MAIN, work=work),)
    else:
        sinks = planner.plan(_Level(definition), definition.graph.nodes)
        if planner.faults:
            raise InvalidArgument("The graph cannot be planned.", tuple(planner.faults))
        end = PlanNode(id=END, after=sinks, work=EndWork(kind="end"))
        nodes = (*in_order(planner.nodes), end)
    return Plan(
        shape=definition.type,
        nodes=nodes,
        origins=tuple(planner.origins.values()),
        parts=tuple(planner.parts),
        http_tools=definition.http_tools,
        mcp_servers=definition.mcp_servers,
        seconds=definition.limits.seconds,
        budget=definition.budget.of_run,
        input_schema=definition.input_schema,
        output_schema=definition.output_schema if definition.graph is not None else None,
    )


def in_order(nodes: Mapping[NodeId, PlanNode]) -> tuple[PlanNode, ...]:
    """The vertices, predecessors first.

    Raises:
        graphlib.CycleError: they form a cycle; its second argument lists it.
    """
    order = TopologicalSorter({name: node.after for name, node in nodes.items()}).static_order()
    return tuple(nodes[name] for name in order)


@dataclass(frozen=True, slots=True)
class _Level:
    """The graph whose nodes are planned.

    Args:
        definition: whose defaults its nodes take.
        path: where its nodes are in the definition that is run; of a kept agent, where it is referred to.
        scope: the vertex that it is the graph of.
        origin: number of the kept agent that it is of.
        part: number of the part with limits of its own that it is of.
        agents: the kept agents that it is within, the outermost first.
    """

    definition: AgentDefinition
    path: str = "graph.nodes"
    scope: NodeId | None = None
    origin: int | None = None
    part: int | None = None
    agents: tuple[AgentId, ...] = ()
    depth: int = 1

    def place_of(self, name: str) -> str:
        """Where a node is, for a fault."""
        return self.path if self.agents else f"{self.path}.{name}"

    def graph_at(self, place: str) -> _Level:
        """The graph of a subgraph in it."""
        return replace(self, path=self.path if self.agents else f"{place}.graph.nodes")


@dataclass(frozen=True, slots=True)
class _Step:
    """The work of one vertex, and the kept agent that it is of."""

    work: AnyWork
    origin: int | None
    part: int | None


@dataclass(slots=True)
class _Planner:
    kept: KeptAgents
    nodes: dict[NodeId, PlanNode] = field(default_factory=dict[NodeId, PlanNode])
    origins: dict[tuple[AgentId, int], Origin] = field(default_factory=dict[tuple[AgentId, int], Origin])
    parts: list[Part] = field(default_factory=list[Part])
    faults: list[Fault] = field(default_factory=list[Fault])

    def plan(self, level: _Level, nodes: Mapping[str, GraphNode]) -> tuple[NodeId, ...]:
        """Plan all nodes of a graph: those that no other one waits for."""
        waited_for: set[NodeId] = set()
        for name, node in nodes.items():
            befores = predecessors(name, node, nodes)
            waited_for |= set(befores)
            self._plan_node(level, level.place_of(name), _vertex(level, name, node, befores, nodes), node)
            if len(self.nodes) > MAX_NODES:
                self.faults.append(Fault(level.path, f"comes to more than {MAX_NODES} nodes"))
                return ()
            if len(self.faults) >= MAX_FAULTS:
                return ()  # a few agents that run each other multiply theirs
        return tuple(below(level.scope, name) for name in nodes if name not in waited_for)

    def _plan_node(self, level: _Level, path: str, vertex: PlanNode, node: GraphNode) -> None:
        fallback = fallback_of(node)
        if fallback is None:
            self._plan_parts(level, path, vertex, node)
            return
        main, other = below(vertex.id, "main"), below(vertex.id, "fallback")
        self._plan_parts(level, path, vertex.model_copy(update={"id": main, "within": vertex.id}), node)
        failed: dict[str, Any] = {"id": other, "after": (main,), "cases": {main: FAILED_CASE}, "within": vertex.id}
        self._plan_node(level, f"{path}.fallback", vertex.model_copy(update=failed), fallback)
        self._end(vertex, (main, other), FallbackWork(kind="fallback"))

    def _plan_parts(self, level: _Level, path: str, vertex: PlanNode, node: GraphNode) -> None:
        """Plan a node without its fallback."""
        if isinstance(node, SubgraphNode):
            self._plan_subgraph(level, path, vertex, node)
        elif isinstance(node, AgentNode) and node.agent is not None:
            kept = self._find(level, path, node.agent)
            if kept is not None and kept.definition.graph is not None:
                self._plan_kept_graph(level, path, vertex, node, kept)
            elif kept is not None:
                self._add(vertex, node, self._step(level, vertex, kept, node))
        elif isinstance(node, MapNode | LoopNode) and self._is_graph(node.body):
            self._plan_turns(level, path, vertex, node)
        else:
            step = self._own_step(level, path, vertex, node)
            if step is not None:
                self._add(vertex, node, step)

    def _is_graph(self, body: Body) -> bool:
        """Whether a body is more than one step."""
        if not isinstance(body, AgentNode) or body.agent is None:
            return isinstance(body, SubgraphNode)
        kept = self.kept.get(body.agent)
        return kept is not None and kept.definition.graph is not None

    def _plan_turns(self, level: _Level, path: str, vertex: PlanNode, node: MapNode | LoopNode) -> None:
        """Plan a map or a loop whose body is a graph: as often as there may be items or rounds."""
        for key in sorted({"retry", "timeout_seconds", "max_parallel"} & node.model_fields_set):
            self.faults.append(Fault(f"{path}.{key}", "is for a body that is a single step, and this one is a graph"))
        key, times, until = "max_rounds", 0, None
        begin = vertex.model_copy(update={"within": vertex.id})
        if isinstance(node, MapNode):
            key, times = "max_items", node.max_items
            items = ItemsWork(kind="items", over=node.over, max_items=times)
            self.nodes[below(vertex.id, "items")] = begin.model_copy(
                update={"id": below(vertex.id, "items"), "work": items}
            )
            begin = begin.model_copy(update={"after": (below(vertex.id, "items"),), "cases": {}})
        else:
            times, until = node.max_rounds, node.until
        ends: list[NodeId] = []
        before, known = len(self.nodes), len(self.faults)
        for index in range(times):
            one = begin.model_copy(update={"id": below(vertex.id, str(index))})
            self._plan_turn(level, f"{path}.body", one, node.body, Turn(of=vertex.id, index=index, until=until))
            ends.append(one.id)
            most = (MAX_NODES - before) // max((len(self.nodes) - before) // len(ends), 1)
            if times > most:
                reason = f"times the nodes of the graph comes to more than {MAX_NODES:,} nodes"
                self.faults.append(Fault(f"{path}.{key}", reason, f"at most {most}"))
            if len(self.faults) > known:
                return
            if until is not None:
                begin = begin.model_copy(update={"after": (one.id,), "cases": {}})
        self._end(vertex, tuple(ends), TurnsWork(kind="turns", gives="all" if until is None else "last"))

    def _plan_turn(self, level: _Level, path: str, vertex: PlanNode, body: Body, turn: Turn) -> None:
        if isinstance(body, SubgraphNode):
            self._plan_subgraph(level, path, vertex, body, turn)
        elif isinstance(body, AgentNode) and body.agent is not None:
            kept = self._find(level, path, body.agent)
            if kept is not None:
                self._plan_kept_graph(level, path, vertex, body, kept, turn)

    def _plan_subgraph(
        self, level: _Level, path: str, vertex: PlanNode, node: SubgraphNode, turn: Turn | None = None
    ) -> None:
        begin = InputWork(kind="input", value=node.input, turn=turn)
        self._plan_graph(level.graph_at(path), vertex, node.graph, begin, SubgraphWork(kind="subgraph"))

    def _plan_graph(self, level: _Level, vertex: PlanNode, graph: Graph, begin: InputWork, end: SubgraphWork) -> None:
        """Plan a graph within another, in place of a vertex."""
        if level.depth >= MAX_DEPTH:
            self.faults.append(Fault(level.path, f"graphs may stand at most {MAX_DEPTH} deep within one another"))
            return
        entry: dict[str, Any] = {"id": below(vertex.id, "input"), "work": begin, "within": vertex.id}
        self.nodes[entry["id"]] = vertex.model_copy(update=entry)
        sinks = self.plan(replace(level, scope=vertex.id, depth=level.depth + 1), graph.nodes)
        self._end(vertex, sinks, end)

    def _plan_kept_graph(  # noqa: PLR0913, PLR0917 - what is planned, where, and as which turn
        self, level: _Level, path: str, vertex: PlanNode, node: AgentNode, kept: KeptAgent, turn: Turn | None = None
    ) -> None:
        for key in sorted({"retry", "timeout_seconds"} & node.model_fields_set):
            self.faults.append(Fault(f"{path}.{key}", "belongs to the nodes of a graph, and this agent is one"))
        definition = kept.definition
        assert definition.graph is not None  # noqa: S101 - asked before
        agents = (*level.agents, kept.agent_id)
        part = self._part(level, vertex, definition, definition.budget.of_run)
        inner = _Level(definition, path, origin=self._origin(kept), part=part, agents=agents, depth=level.depth)
        begin = InputWork(kind="input", value=input_of(node), input_schema=definition.input_schema, turn=turn)
        end = SubgraphWork(kind="subgraph", output_schema=definition.output_schema)
        self._plan_graph(inner, vertex, definition.graph, begin, end)

    def _add(self, vertex: PlanNode, node: GraphNode, step: _Step) -> None:
        """Add a vertex that works."""
        done: dict[str, Any] = {
            "work": step.work,
            "origin": step.origin,
            "part": step.part,
            "retry": vertex.retry if isinstance(node, SubgraphNode) else node.retry,
            "timeout_seconds": None if isinstance(node, SubgraphNode) else node.timeout_seconds,
        }
        self.nodes[vertex.id] = vertex.model_copy(update=done)

    def _end(self, vertex: PlanNode, after: tuple[NodeId, ...], work: AnyWork) -> None:
        """Add the vertex that waits for those within it, in place of what it waited for itself."""
        self.nodes[vertex.id] = vertex.model_copy(update={"after": after, "cases": {}, "work": work})

    def _find(self, level: _Level, path: str, reference: AgentReference) -> KeptAgent | None:
        """The agent that a node refers to; None, and a fault, where it cannot be a part of this plan."""
        kept = self.kept.get(reference)
        if kept is None:
            self.faults.append(Fault(f"{path}.agent.id", f"there is no agent '{reference.id}' that you may run"))
        elif kept.agent_id in level.agents:
            chain = " → ".join((*level.agents, kept.agent_id))
            self.faults.append(Fault(f"{path}.agent.id", f"the agents run each other: {chain}"))
            return None
        return kept

    def _origin(self, kept: KeptAgent) -> int:
        """The number of a kept agent among those that the plan comes from."""
        key = (kept.agent_id, kept.version)
        self.origins[key] = Origin(
            agent_id=kept.agent_id,
            version=kept.version,
            author_uid=kept.author_uid,
            http_tools=kept.definition.http_tools,
            mcp_servers=kept.definition.mcp_servers,
        )
        return list(self.origins).index(key)

    def _part(self, level: _Level, vertex: PlanNode, agent: AgentDefinition, budget: Budget) -> int | None:
        """The number of a kept agent among the parts with limits of their own, or that of the part it is within."""
        seconds = agent.limits.seconds
        if not budget.limited and seconds is None:
            return level.part
        self.parts.append(Part(vertex=vertex.id, budget=budget, seconds=seconds, within=level.part))
        return len(self.parts) - 1

    def _step(self, level: _Level, vertex: PlanNode, kept: KeptAgent, node: AgentNode) -> _Step:
        """A kept agent that is no graph; it is one node, so how many are at work at once says nothing of it."""
        definition = kept.definition
        part = self._part(level, vertex, definition, replace(definition.budget.of_run, places=None))
        work = AgentWork(
            kind="agent",
            agent=definition.agent_spec(),
            prompt=definition.prompt,
            input=input_of(node),
            input_schema=definition.input_schema,
        )
        return _Step(work, self._origin(kept), part)

    def _own_step(self, level: _Level, path: str, vertex: PlanNode, node: GraphNode) -> _Step | None:
        """What a node does that is one vertex; None, and a fault, where its body is none."""
        match node:
            case MapNode() | LoopNode():
                assert not isinstance(node.body, SubgraphNode)  # noqa: S101 - such bodies are planned in turns
                body = self._body_step(level, f"{path}.body", vertex, node.body)
                return None if body is None else replace(body, work=repeated(node, body.work))
            case AgentNode() | ToolNode():
                return self._body_step(level, path, vertex, node)
            case _:
                return _Step(control(node), level.origin, level.part)

    def _body_step(self, level: _Level, path: str, vertex: PlanNode, node: AgentNode | ToolNode) -> _Step | None:
        if isinstance(node, ToolNode):
            return _Step(tool_work(level.definition, node), level.origin, level.part)
        if node.agent is None:
            name = vertex.id if level.scope is None else vertex.id.removeprefix(f"{level.scope}.")
            return _Step(agent_work(level.definition, name, node), level.origin, level.part)
        kept = self._find(level, path, node.agent)
        return None if kept is None else self._step(level, vertex, kept, node)


def _vertex(
    level: _Level, name: str, node: GraphNode, befores: tuple[NodeId, ...], nodes: Mapping[str, GraphNode]
) -> PlanNode:
    """The vertex of a node, which has no work yet; who waits for an approval, waits for a yes."""
    implied = {before: APPROVED for before in befores if isinstance(nodes[before], ApprovalNode)}
    begin = () if level.scope is None else (below(level.scope, "input"),)
    return PlanNode(
        id=below(level.scope, name),
        after=tuple(below(level.scope, before) for before in befores) or begin,
        cases={below(level.scope, before): case for before, case in (implied | cases_of(node)).items()},
        scope=level.scope,
        within=level.scope,
        work=EndWork(kind="end"),
    )
