"""Graphs as their authors write them: nodes of every kind, and which wait for which."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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


class _Node(Strict):
    after: tuple[NodeReference, ...] = Field(
        default=(),
        description=(
            "Nodes that must end first, besides those referred to in templates. `node.case` waits for a branch to take "
            "that case, `node.failed` for a node to fail; otherwise this node is skipped."
        ),
    )
    retry: Retry = Retry()
    timeout_seconds: float | None = Field(default=None, gt=0, le=86_400, description="Of one attempt.")


class AgentNode(_Node):
    """A node that runs an agent; what it leaves out it takes from the definition."""

    kind: Literal["agent"]
    prompt: str
    model: ModelSpec | None = None
    system_prompt: str | None = None
    tools: tuple[ToolUse, ...] | None = None


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


class MapNode(_Node):
    """A node that runs its body once for each item of a list; its output is the list of the bodies' outputs."""

    kind: Literal["map"]
    over: str = Field(description="A template that yields a list; in the body, {{ item }} and {{ index }} are defined.")
    body: Annotated[AgentNode | ToolNode, Field(discriminator="kind")]


class JoinNode(_Node):
    """A node that waits for its predecessors and gathers the outputs of those that succeeded."""

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
    """A node that runs its body again and again; its output is the last one's."""

    kind: Literal["loop"]
    body: Annotated[AgentNode | ToolNode, Field(discriminator="kind")] = Field(
        description="In it, {{ item }} is the output of the round before (null at first), {{ index }} counts from 0."
    )
    until: Condition = Field(description="A CEL condition over `output`, `index` and `input`, asked after each round.")
    max_rounds: int = Field(default=10, ge=1, le=1000)


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


GraphNode = Annotated[
    AgentNode | ToolNode | MapNode | JoinNode | BranchNode | LoopNode | ApprovalNode, Field(discriminator="kind")
]


class Graph(Strict):
    """A directed acyclic graph of nodes.

    Its output is the output of its last node, or a map of the outputs of its last nodes.
    """

    nodes: dict[NodeName, GraphNode] = Field(min_length=1, max_length=5000)
