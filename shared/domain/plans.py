"""A plan: the immutable graph of nodes that a run executes, compiled from a definition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from shared.domain.budgets import Budget
from shared.domain.definition_parts import Strict
from shared.domain.definitions import AgentSpec
from shared.domain.graph_definitions import Retry
from shared.domain.ids import AgentId, NodeId, RunId, Uid
from shared.domain.runs import Shape
from shared.domain.tool_definitions import HttpTool, McpServer, ToolKit, ToolUse
from shared.domain.tool_specs import BUILT_IN

MAIN = NodeId("main")
END = NodeId("$end")
CHUNK_CHARACTERS = 200_000
"""At most 800 KB of UTF-8 a chunk: a Firestore document holds 1 MiB. Source: https://firebase.google.com/docs/firestore/quotas"""


class AgentWork(Strict):
    """Run an agent on a prompt.

    Args:
        input: the template of what a kept agent is given; its prompt sees nothing else. None for an agent of the graph.
        input_schema: what that must fit.
    """

    kind: Literal["agent"]
    agent: AgentSpec
    prompt: str
    input: Any = None
    input_schema: dict[str, Any] | None = None


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
    max_items: int = 5000
    body: Annotated[AgentWork | ToolWork, Field(discriminator="kind")]
    max_parallel: int | None = None


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


class Turn(Strict):
    """Which item of a map, or round of a loop, a subgraph is.

    Args:
        of: the vertex of the map or the loop.
        index: from 0; without such an item, or after the last round, the subgraph is skipped.
        until: the condition that ends a loop; None for a map.
    """

    of: NodeId
    index: int
    until: str | None = None


class InputWork(Strict):
    """Begin a subgraph: what its nodes see as their input."""

    kind: Literal["input"]
    value: Any
    input_schema: dict[str, Any] | None = None
    turn: Turn | None = None


class ItemsWork(Strict):
    """Begin a map whose body is a graph: the list of its items."""

    kind: Literal["items"]
    over: str
    max_items: int


class SubgraphWork(Strict):
    """End a subgraph: its outcome follows from the nodes in it."""

    kind: Literal["subgraph"]
    output_schema: dict[str, Any] | None = None


class FallbackWork(Strict):
    """End a node that has a fallback: with what the first of the two that succeeded came to."""

    kind: Literal["fallback"]


class TurnsWork(Strict):
    """End a map or a loop whose body is a graph: with what all its items, or its last round, came to."""

    kind: Literal["turns"]
    gives: Literal["all", "last"]


class EndWork(Strict):
    """End the run: its outcome follows from the predecessors."""

    kind: Literal["end"]


AnyWork: TypeAlias = (
    AgentWork
    | ToolWork
    | MapWork
    | JoinWork
    | BranchWork
    | LoopWork
    | ApprovalWork
    | InputWork
    | ItemsWork
    | SubgraphWork
    | FallbackWork
    | TurnsWork
    | EndWork
)
Work = Annotated[AnyWork, Field(discriminator="kind")]
OTHERWISE = "otherwise"
"""The case that a branch takes when no condition holds."""
APPROVED, DENIED = "approved", "denied"
"""The cases of an approval; who only waits for one waits for a yes."""


class PlanNode(Strict):
    """A vertex: what to do, and which vertices must have ended before.

    Args:
        cases: of some of them, which way they must have ended.
        scope: the subgraph whose nodes its templates name; None for the nodes of the whole graph.
        within: the vertex whose outcome follows from this one and others; None if the run's does.
        origin: number of the kept agent that it belongs to; None for the agent that is run.
        part: number of the innermost part with limits of its own that it belongs to.
        carried: in how many of the plan's `earlier` runs an outcome is looked for that holds instead of working.
    """

    id: NodeId
    after: tuple[NodeId, ...] = ()
    cases: dict[NodeId, str] = Field(default_factory=dict[NodeId, str])
    retry: Retry = Retry()
    timeout_seconds: float | None = None
    scope: NodeId | None = None
    within: NodeId | None = None
    origin: int | None = None
    part: int | None = None
    carried: int = 0
    work: Work

    def named(self, name: str) -> NodeId:
        """The vertex that its templates mean by a name, if there is one."""
        return below(self.scope, name)

    @property
    def enough(self) -> int | None:
        """How many predecessors must succeed; None for all."""
        return self.work.enough if isinstance(self.work, JoinWork) else None


class Origin(Strict):
    """The version of a kept agent that is a part of a plan: what it brings, and who wrote it."""

    agent_id: AgentId
    version: int
    author_uid: Uid | None = None
    http_tools: tuple[HttpTool, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()


class Part(Strict):
    """A kept agent as a part of a plan, with limits that it would have by itself.

    Args:
        vertex: the vertex that it is: each instance of it is a part by itself, as each would be a run.
        budget: what it may consume.
        seconds: how long it may take from its start; None for no limit.
        within: number of the part with limits that it is a part of.
    """

    vertex: NodeId
    budget: Budget = Budget()
    seconds: float | None = None
    within: int | None = None


class Plan(Strict):
    """All vertices, predecessors before successors; the last one ends the run.

    Args:
        seconds: how long the run may take from its start; None for no limit.
        input_schema: what the run's input fits.
        budget: what the run may consume, all its nodes together; `places` are nodes at work at once.
        output_schema: what a graph's output must fit; of the other shapes the agent's own output must.
        earlier: the runs that a run of this plan repeats, the latest first.
    """

    shape: Shape
    nodes: tuple[PlanNode, ...]
    seconds: float | None = None
    input_schema: dict[str, Any] | None = None
    budget: Budget = Budget()
    output_schema: dict[str, Any] | None = None
    http_tools: tuple[HttpTool, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    origins: tuple[Origin, ...] = ()
    parts: tuple[Part, ...] = ()
    earlier: tuple[RunId, ...] = ()

    def origin_of(self, node: PlanNode) -> Origin | None:
        """The kept agent that a vertex belongs to; None for the agent that is run."""
        return None if node.origin is None else self.origins[node.origin]

    def parts_of(self, node: PlanNode) -> Iterator[Part]:
        """The parts with limits of their own that a vertex belongs to, the innermost first."""
        number = node.part
        while number is not None:
            part = self.parts[number]
            yield part
            number = part.within

    def kit(self, node: PlanNode, tools: tuple[ToolUse, ...]) -> ToolKit:
        """What a vertex that lists `tools` may call."""
        whose = self.origin_of(node) or self
        return ToolKit.of(tools, whose.http_tools, whose.mcp_servers)

    def kit_of(self, node: PlanNode, work: ToolWork) -> ToolKit:
        """What a vertex that calls one tool needs: the tool, or the server that has it."""
        use = ToolUse(name=work.tool, config=work.config, requires_approval=work.requires_approval)
        kit = self.kit(node, (use,))
        if kit.http_tools or work.tool in BUILT_IN:
            return kit
        servers = (self.origin_of(node) or self).mcp_servers
        server = next((one for one in servers if one.may_offer(work.tool)), None)
        return kit if server is None else self.kit(node, (use.model_copy(update={"name": server.name, "config": {}}),))


def below(scope: NodeId | None, name: str) -> NodeId:
    """The vertex of a name in a subgraph, or in the whole graph."""
    return NodeId(name if scope is None else f"{scope}.{name}")


def split_plan(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """The plan's SHA-256 digest (hex) and its JSON text in chunks that each fit into a document."""
    text = plan.model_dump_json(exclude_defaults=True, exclude_none=True)
    chunks = tuple(text[start : start + CHUNK_CHARACTERS] for start in range(0, len(text), CHUNK_CHARACTERS))
    return hashlib.sha256(text.encode()).hexdigest(), chunks
