"""A plan: the immutable graph of nodes that a run executes, compiled from a definition."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from shared.domain.definition_parts import Strict
from shared.domain.definitions import AgentDefinition, AgentSpec
from shared.domain.graph_definitions import (
    AgentNode,
    ApprovalNode,
    BranchNode,
    GraphNode,
    JoinNode,
    LoopNode,
    MapNode,
    Retry,
    ToolNode,
)
from shared.domain.ids import NodeId, RunId
from shared.domain.nodes import FAILED_CASE
from shared.domain.runs import Shape
from shared.domain.templates import references
from shared.domain.tool_definitions import HttpTool, McpServer, ToolKit, ToolUse
from shared.domain.tool_specs import BUILT_IN

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_IDENTIFIER = re.compile(r"(?<![\w.])[a-z_][a-z0-9_]*", re.ASCII)
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
    requires_approval: bool = False


class MapWork(Strict):
    """Expand a list into one instance of `body` per item."""

    kind: Literal["map"]
    over: str
    body: Annotated[AgentWork | ToolWork, Field(discriminator="kind")]


class JoinWork(Strict):
    """Gather the outputs of the predecessors that succeeded; `enough` of them fire it, all if it is None."""

    kind: Literal["join"]
    reducer: Literal["list", "text"]
    enough: int | None = None


class BranchWork(Strict):
    """Choose the first case whose condition holds."""

    kind: Literal["branch"]
    cases: tuple[tuple[str, str], ...]


class LoopWork(Strict):
    """Run `body` in rounds until the condition holds, at most `max_rounds` times."""

    kind: Literal["loop"]
    body: Annotated[AgentWork | ToolWork, Field(discriminator="kind")]
    until: str
    max_rounds: int


class ApprovalWork(Strict):
    """Wait for a person's yes or no."""

    kind: Literal["approval"]
    message: str
    asked: tuple[str, ...]
    expires_after_seconds: int
    default: Literal["approve", "deny"]


class EndWork(Strict):
    """End the run: its outcome follows from the predecessors."""

    kind: Literal["end"]


AnyWork: TypeAlias = AgentWork | ToolWork | MapWork | JoinWork | BranchWork | LoopWork | ApprovalWork | EndWork
Work = Annotated[AnyWork, Field(discriminator="kind")]
OTHERWISE = "otherwise"
"""The case that a branch takes when no condition holds."""
APPROVED, DENIED = "approved", "denied"
"""The cases of an approval; who only waits for one waits for a yes."""


class PlanNode(Strict):
    """A vertex: what to do, and which vertices must have ended before.

    `cases` says of some of them which way they must have ended.
    """

    id: NodeId
    after: tuple[NodeId, ...] = ()
    cases: dict[NodeId, str] = Field(default_factory=dict[NodeId, str])
    retry: Retry = Retry()
    timeout_seconds: float | None = None
    carried: int = 0
    """In how many of the plan's `earlier` runs an outcome is looked for that holds instead of working."""
    work: Work

    @property
    def enough(self) -> int | None:
        """How many predecessors must succeed; None for all."""
        return self.work.enough if isinstance(self.work, JoinWork) else None


class Plan(Strict):
    """All vertices, predecessors before successors; the last one ends the run.

    Args:
        seconds: how long the run may take from its start; None for no limit.
        output_schema: what a graph's output must fit; of the other shapes the agent's own output must.
    """

    shape: Shape
    nodes: tuple[PlanNode, ...]
    seconds: float | None = None
    output_schema: dict[str, Any] | None = None
    http_tools: tuple[HttpTool, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    earlier: tuple[RunId, ...] = ()
    """The runs that a run of this plan repeats, the latest first."""

    def kit(self, tools: tuple[ToolUse, ...]) -> ToolKit:
        """What a node that lists `tools` may call."""
        return ToolKit.of(tools, self.http_tools, self.mcp_servers)

    def kit_of(self, work: ToolWork) -> ToolKit:
        """What a node that calls one tool needs: the tool, or the server that has it."""
        use = ToolUse(name=work.tool, config=work.config, requires_approval=work.requires_approval)
        kit = self.kit((use,))
        if kit.http_tools or work.tool in BUILT_IN:
            return kit
        server = next((one for one in self.mcp_servers if one.may_offer(work.tool)), None)
        return kit if server is None else self.kit((use.model_copy(update={"name": server.name, "config": {}}),))


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

    @cached_property
    def may_end_early(self) -> bool:
        """Whether the run may end while some of its nodes have not: a join does not wait for all."""
        return any(node.enough is not None for node in self.plan.nodes)

    def is_map(self, node: NodeId) -> bool:
        """Whether the vertex expands into an instance for each item of a list."""
        return isinstance(self.by_id[node].work, MapWork)

    def expands(self, node: NodeId) -> bool:
        """Whether the vertex expands into instances: items or rounds."""
        return isinstance(self.by_id[node].work, MapWork | LoopWork)

    def handles_failure(self, node: NodeId) -> bool:
        """Whether a failure of the vertex has a successor that waits for it."""
        return any(successor.cases.get(node) == FAILED_CASE for successor in self.successors[node])

    def handles_denial(self, node: NodeId) -> bool:
        """Whether a no at the vertex has a successor that waits for it."""
        return any(successor.cases.get(node) == DENIED for successor in self.successors[node])

    def earlier(self, node: PlanNode) -> tuple[RunId, ...]:
        """The runs in which the vertex may have an outcome that holds, the latest first."""
        return self.plan.earlier[: node.carried]

    def ends_run(self, node: NodeId) -> bool:
        """Whether the run ends with this vertex."""
        return node == self.plan.nodes[-1].id


def compile_plan(definition: AgentDefinition) -> Plan:
    """The plan of a valid definition."""
    whole = {
        "http_tools": definition.http_tools,
        "mcp_servers": definition.mcp_servers,
        "seconds": definition.limits.seconds,
        "output_schema": definition.output_schema if definition.graph is not None else None,
    }
    return _compile_graph(definition).model_copy(update=whole)


def _compile_graph(definition: AgentDefinition) -> Plan:
    if definition.graph is None:
        work = AgentWork(kind="agent", agent=definition.agent_spec(), prompt=definition.prompt)
        return Plan(shape="delegation" if definition.agents else "single", nodes=(PlanNode(id=MAIN, work=work),))
    nodes = {
        NodeId(name): PlanNode(
            id=NodeId(name),
            after=predecessors(name, node, definition.graph.nodes),
            cases=_implied_cases(definition, name, node) | cases_of(node),
            retry=node.retry,
            timeout_seconds=node.timeout_seconds,
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
    named = [before.partition(".")[0] for before in node.after]
    referred = [root for root in roots_of(node) if root in nodes and root != name]
    return tuple(NodeId(before) for before in dict.fromkeys([*named, *referred]))


def cases_of(node: GraphNode) -> dict[NodeId, str]:
    """Which way a predecessor must end, where the node says so."""
    pairs = [before.partition(".") for before in node.after]
    return {NodeId(name): case for name, _, case in pairs if case}


def _implied_cases(definition: AgentDefinition, name: str, node: GraphNode) -> dict[NodeId, str]:
    """Who waits for an approval, waits for a yes."""
    nodes = {} if definition.graph is None else definition.graph.nodes
    return {before: APPROVED for before in predecessors(name, node, nodes) if isinstance(nodes[before], ApprovalNode)}


def roots_of(node: GraphNode | AnyWork) -> tuple[str, ...]:
    """The names that a node's templates and conditions begin with."""
    return tuple(dict.fromkeys([*references(templates_of(node)), *names_in(conditions_of(node))]))


def conditions_of(node: GraphNode | AnyWork) -> list[str]:
    """The CEL conditions of a node or of its work."""
    match node:
        case BranchNode():
            return list(node.cases.values())
        case BranchWork():
            return [condition for _, condition in node.cases]
        case LoopNode() | LoopWork():
            return [node.until]
        case _:
            return []


def names_in(conditions: list[str]) -> list[str]:
    """The identifiers in CEL expressions that stand at the beginning of a path."""
    return [name for condition in conditions for name in _IDENTIFIER.findall(_LITERAL.sub(" ", condition))]


def templates_of(node: GraphNode | AnyWork) -> list[Any]:
    """Every template of a node or of its work."""
    match node:
        case AgentNode() | AgentWork():
            return [node.prompt]
        case ToolNode() | ToolWork():
            return [node.arguments]
        case MapNode() | MapWork():
            return [node.over, *templates_of(node.body)]
        case LoopNode() | LoopWork():
            return templates_of(node.body)
        case ApprovalNode() | ApprovalWork():
            return [node.message]
        case JoinNode() | JoinWork() | BranchNode() | BranchWork() | EndWork():
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


def _work(definition: AgentDefinition, name: str, node: GraphNode) -> AnyWork:
    match node:
        case AgentNode() | ToolNode():
            return _body(definition, name, node)
        case MapNode():
            return MapWork(kind="map", over=node.over, body=_body(definition, name, node.body))
        case LoopNode():
            body = _body(definition, name, node.body)
            return LoopWork(kind="loop", body=body, until=node.until, max_rounds=node.max_rounds)
        case JoinNode():
            enough = {"all": None, "quorum": node.quorum}.get(node.policy, 1)
            return JoinWork(kind="join", reducer=node.reducer, enough=enough)
        case BranchNode():
            return BranchWork(kind="branch", cases=tuple(node.cases.items()))
        case ApprovalNode():
            return ApprovalWork(
                kind="approval",
                message=node.message,
                asked=node.asked,
                expires_after_seconds=node.expires_after_seconds,
                default=node.default,
            )


def _body(definition: AgentDefinition, name: str, node: AgentNode | ToolNode) -> AgentWork | ToolWork:
    if isinstance(node, AgentNode):
        return AgentWork(kind="agent", agent=_agent(definition, name, node), prompt=node.prompt)
    return ToolWork(
        kind="tool",
        tool=node.tool,
        arguments=node.arguments,
        config=node.config,
        requires_approval=node.requires_approval or _is_guarded(definition, node.tool),
    )


def _is_guarded(definition: AgentDefinition, tool: str) -> bool:
    """Whether the definition's own list of tools has a person agree before each call of this one."""
    guarded = {use.name for use in definition.tools if use.requires_approval}
    return tool in guarded or any(one.name in guarded and one.may_offer(tool) for one in definition.mcp_servers)


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
