"""Graphs as their authors write them: nodes of every kind, and which wait for which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StringConstraints

from shared.domain.definition_parts import Name, Strict
from shared.domain.model_specs import ModelSpec
from shared.domain.tool_definitions import ToolUse

NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
NodeReference = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63})?$")]
"""A node, or one of its ways to end: `review`, `decide.large`, `fetch.failed`."""
Condition = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
"""A CEL expression that yields true or false. Source: https://cel.dev"""


class Retry(Strict):
    """How often a node is tried again after a retryable error, and with what back-off."""

    max_attempts: int = Field(default=3, ge=1, le=20)
    initial_seconds: float = Field(default=1.0, ge=0, le=600)
    factor: float = Field(default=2.0, ge=1, le=10)
    max_seconds: float = Field(default=60.0, ge=0, le=3600)
    jitter: float = Field(default=0.2, ge=0, le=1, description="The back-off grows by up to this share, at random.")
    on: tuple[str, ...] | None = Field(
        default=None, description="The error codes to try again after; every retryable one if left out."
    )


After = Annotated[
    tuple[NodeReference, ...],
    Field(
        description=(
            "Nodes that must end first, besides those referred to in templates. `node.case` waits for a branch to take "
            "that case, `node.failed` for a node to fail; otherwise this node is skipped."
        )
    ),
]


class _Node(Strict):
    after: After = ()
    retry: Retry = Retry()
    timeout_seconds: float | None = Field(default=None, gt=0, le=86_400, description="Of one attempt.")


class AgentReference(Strict):
    """An agent that is kept on its own, by its id."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    version: int | Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] | None = Field(
        default=None,
        description="A number, or an alias, which means what it means when a run starts. The latest if left out.",
    )


MAX_DEPTH = 5
"""How many graphs may stand within one another, those of kept agents included."""
INPUT = "{{ input }}"
_FALLBACK = "What is done instead when this node has failed after all its tries; it sees what this node sees."


class AgentNode(_Node):
    """A node that runs an agent: one of its own, with a `prompt`, or one that is kept on its own, by its id.

    What an agent of its own leaves out it takes from the definition. A kept one comes with everything.
    """

    kind: Literal["agent"]
    prompt: str | None = None
    model: ModelSpec | None = None
    system_prompt: str | None = None
    tools: tuple[ToolUse, ...] | None = None
    agent: AgentReference | None = Field(
        default=None,
        description="An agent that whoever runs this one may run, too; a graph becomes a part of this one.",
    )
    input: Any = Field(
        default=None, description="What the kept agent is given: a template, the whole input if left out."
    )
    fallback: Fallback | None = Field(default=None, description=_FALLBACK)


class ToolNode(_Node):
    """A node that calls one tool with templated arguments; a failing tool fails the node."""

    kind: Literal["tool"]
    tool: Name
    arguments: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    requires_approval: bool = Field(
        default=False,
        description="A person must agree before the call; so too where the definition's `tools` say it of this tool.",
    )
    fallback: Fallback | None = Field(default=None, description=_FALLBACK)


class SubgraphNode(Strict):
    """A node that is a graph; the nodes in it see its input as theirs, and each other, but nothing outside.

    It fails when a node in it fails, none in it waits for that, and no join in it has enough without it; its output is
    that of its last nodes.
    """

    kind: Literal["subgraph"]
    after: After = ()
    input: Any = Field(default=INPUT, description="What its nodes see as {{ input }}: a template.")
    graph: Graph
    fallback: Fallback | None = Field(default=None, description=_FALLBACK)


Fallback: TypeAlias = Annotated[AgentNode | ToolNode | SubgraphNode, Field(discriminator="kind")]


Body: TypeAlias = Annotated[AgentNode | ToolNode | SubgraphNode, Field(discriminator="kind")]


class MapNode(_Node):
    """A node that runs its body once for each item of a list; its output is the list of the bodies' outputs.

    A body that is a graph is planned `max_items` times.
    """

    kind: Literal["map"]
    over: str = Field(description="A template that yields a list; in the body, {{ item }} and {{ index }} are defined.")
    max_items: int = Field(default=5000, ge=1, le=10_000, description="A longer list fails the node.")
    body: Body
    max_parallel: int | None = Field(
        default=None, ge=1, le=5000, description="How many items are begun before the first of them has ended."
    )


class JoinNode(_Node):
    """A node that waits for its predecessors and gathers the outputs of those that succeeded.

    Once enough have, it bears the failures of the others: those fail neither the graph nor the run.
    """

    kind: Literal["join"]
    policy: Literal["all", "any", "quorum", "first_success"] = Field(
        default="all", description="How many must succeed: all, one (`any` and `first_success`), or `quorum`."
    )
    quorum: int | None = Field(default=None, ge=1, description="How many, for the policy `quorum`.")
    reducer: Literal["list", "text"] = Field(default="list", description="`text` joins the outputs with blank lines.")


class BranchNode(_Node):
    """A node that chooses one of its cases: the first whose condition holds, else `otherwise`."""

    kind: Literal["branch"]
    cases: dict[NodeName, Condition] = Field(
        min_length=1, max_length=50, description="CEL conditions over `input` and `node.output`, in order."
    )


class LoopNode(_Node):
    """A node that runs its body again and again; its output is the last one's.

    A body that is a graph is planned `max_rounds` times.
    """

    kind: Literal["loop"]
    body: Body = Field(
        description="In it, {{ item }} is the output of the round before (null at first), {{ index }} counts from 0."
    )
    until: Condition = Field(description="A CEL condition over `output`, `index` and `input`, asked after each round.")
    max_rounds: int = Field(default=10, ge=1, le=1000)
    fallback: Fallback | None = Field(default=None, description=_FALLBACK)


class ApprovalNode(_Node):
    """A node at which the graph waits for a person's yes; nodes `after` it go on only then.

    `node.denied` waits for a no. A no that no node waits for fails the node.
    """

    kind: Literal["approval"]
    message: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] = Field(
        description="What people read; a template."
    )
    asked: tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...] = Field(
        default=(), max_length=20, description="Ids of the people who may answer. Default: who runs it."
    )
    expires_after_seconds: int = Field(
        default=604_800, ge=1, le=31_536_000, description="How long they have. Default: a week."
    )
    default: Literal["approve", "deny"] = Field(default="deny", description="What holds after that.")


GraphNode: TypeAlias = Annotated[
    AgentNode | ToolNode | SubgraphNode | MapNode | JoinNode | BranchNode | LoopNode | ApprovalNode,
    Field(discriminator="kind"),
]


class Graph(Strict):
    """A directed acyclic graph of nodes.

    Its output is the output of its last node, or a map of the outputs of its last nodes.
    """

    nodes: dict[NodeName, GraphNode] = Field(min_length=1, max_length=5000)


for _kind in (AgentNode, ToolNode, SubgraphNode, MapNode, LoopNode):
    _kind.model_rebuild()


def parts_of(path: str, nodes: Mapping[str, GraphNode]) -> Iterator[tuple[str, GraphNode]]:
    """The nodes of a graph at `path`, their bodies and fallbacks, and those of its subgraphs, each with its path."""
    for name, node in nodes.items():
        yield from _parts(f"{path}.{name}", node)


def _parts(path: str, node: GraphNode) -> Iterator[tuple[str, GraphNode]]:
    yield path, node
    if isinstance(node, MapNode | LoopNode):
        yield from _parts(f"{path}.body", node.body)
    if isinstance(node, SubgraphNode):
        yield from parts_of(f"{path}.graph.nodes", node.graph.nodes)
    if (fallback := fallback_of(node)) is not None:
        yield from _parts(f"{path}.fallback", fallback)


def fallback_of(node: GraphNode) -> Fallback | None:
    """What is done where a node has failed."""
    return node.fallback if isinstance(node, AgentNode | ToolNode | SubgraphNode | LoopNode) else None
