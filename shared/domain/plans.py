"""A plan: the immutable graph of nodes that a run executes, compiled from a definition."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.domain.definitions import (
    AgentDefinition,
    AgentNode,
    AgentSpec,
    GraphNode,
    JoinNode,
    MapNode,
    Retry,
    Strict,
    ToolNode,
)
from shared.domain.ids import NodeId
from shared.domain.runs import Shape
from shared.domain.templates import references

MAIN = NodeId("main")
END = NodeId("$end")
CHUNK_CHARACTERS = 200_000
"""At most 800 KB of UTF-8 a chunk: a Firestore document holds 1 MiB. Source: https://firebase.google.com/docs/firestore/quotas"""


class AgentWork(Strict):
    """Run an agent on a prompt."""

    kind: Literal["agent"]
    agent: AgentSpec
    prompt: str


class ToolWork(Strict):
    """Call a tool."""

    kind: Literal["tool"]
    tool: str
    arguments: dict[str, Any]
    config: dict[str, Any]


class MapWork(Strict):
    """Expand a list into one instance of `body` per item."""

    kind: Literal["map"]
    over: str
    body: Annotated[AgentWork | ToolWork, Field(discriminator="kind")]


class JoinWork(Strict):
    """Gather the outputs of the predecessors."""

    kind: Literal["join"]
    reducer: Literal["list", "text"]


class EndWork(Strict):
    """End the run: its outcome follows from the predecessors."""

    kind: Literal["end"]


Work = Annotated[AgentWork | ToolWork | MapWork | JoinWork | EndWork, Field(discriminator="kind")]


class PlanNode(Strict):
    """A vertex: what to do, and which vertices must have ended before."""

    id: NodeId
    after: tuple[NodeId, ...] = ()
    retry: Retry = Retry()
    work: Work


class Plan(Strict):
    """All vertices, predecessors before successors; the last one ends the run."""

    shape: Shape
    nodes: tuple[PlanNode, ...]


@dataclass(frozen=True)
class PlanGraph:
    """A plan with its edges looked up once."""

    plan: Plan

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
    def entries(self) -> tuple[PlanNode, ...]:
        """The vertices that wait for nothing."""
        return tuple(node for node in self.plan.nodes if not node.after)

    def is_map(self, node: NodeId) -> bool:
        """Whether the vertex expands into instances."""
        return isinstance(self.by_id[node].work, MapWork)

    def ends_run(self, node: NodeId) -> bool:
        """Whether the run ends with this vertex."""
        return node == self.plan.nodes[-1].id


def compile_plan(definition: AgentDefinition) -> Plan:
    """The plan of a valid definition."""
    if definition.graph is None:
        work = AgentWork(kind="agent", agent=definition.agent_spec(), prompt="{{ input.text }}")
        return Plan(shape="single", nodes=(PlanNode(id=MAIN, work=work),))
    nodes = {
        NodeId(name): PlanNode(
            id=NodeId(name),
            after=predecessors(name, node, definition.graph.nodes),
            retry=node.retry,
            work=_work(definition, name, node),
        )
        for name, node in definition.graph.nodes.items()
    }
    waited_for = {before for node in nodes.values() for before in node.after}
    sinks = tuple(name for name in nodes if name not in waited_for)
    end = PlanNode(id=END, after=sinks, work=EndWork(kind="end"))
    return Plan(shape="graph", nodes=(*(nodes[name] for name in in_order(nodes)), end))


def predecessors(name: str, node: GraphNode, nodes: dict[str, GraphNode]) -> tuple[NodeId, ...]:
    """The nodes that `node` waits for: those it names, then those that its templates refer to."""
    named = dict.fromkeys(node.after) | dict.fromkeys(
        root for root in references(templates_of(node)) if root in nodes and root != name
    )
    return tuple(NodeId(before) for before in named)


def templates_of(node: GraphNode | AgentWork | ToolWork | MapWork | JoinWork | EndWork) -> list[Any]:
    """Every template of a node or of its work."""
    match node:
        case AgentNode() | AgentWork():
            return [node.prompt]
        case ToolNode() | ToolWork():
            return [node.arguments]
        case MapNode() | MapWork():
            return [node.over, *templates_of(node.body)]
        case JoinNode() | JoinWork() | EndWork():
            return []


def in_order(nodes: dict[NodeId, PlanNode]) -> tuple[NodeId, ...]:
    """The nodes, predecessors first.

    Raises:
        graphlib.CycleError: the nodes form a cycle; its second argument lists it.
    """
    return tuple(TopologicalSorter({name: node.after for name, node in nodes.items()}).static_order())


def split_plan(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """The plan's SHA-256 digest (hex) and its JSON text in chunks that each fit into a document."""
    text = plan.model_dump_json(exclude_defaults=True, exclude_none=True)
    chunks = tuple(text[start : start + CHUNK_CHARACTERS] for start in range(0, len(text), CHUNK_CHARACTERS))
    return hashlib.sha256(text.encode()).hexdigest(), chunks


def _work(definition: AgentDefinition, name: str, node: GraphNode) -> AgentWork | ToolWork | MapWork | JoinWork:
    match node:
        case AgentNode():
            return AgentWork(kind="agent", agent=_agent(definition, name, node), prompt=node.prompt)
        case ToolNode():
            return ToolWork(kind="tool", tool=node.tool, arguments=node.arguments, config=node.config)
        case MapNode():
            body = _work(definition, name, node.body)
            assert isinstance(body, AgentWork | ToolWork)  # noqa: S101 - the definition's schema allows no other body
            return MapWork(kind="map", over=node.over, body=body)
        case JoinNode():
            return JoinWork(kind="join", reducer=node.reducer)


def _agent(definition: AgentDefinition, name: str, node: AgentNode) -> AgentSpec:
    own = definition.agent_spec()
    tools = own.tools if node.tools is None else tuple(tool for tool in node.tools if tool.enabled)
    return AgentSpec(
        name=f"{definition.name}.{name}",
        model=node.model or own.model,
        system_prompt=own.system_prompt if node.system_prompt is None else node.system_prompt,
        tools=tools,
        limits=own.limits,
    )
