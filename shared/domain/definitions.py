"""Agents as data: the definition that a person writes, with every key checked and none ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, StringConstraints, model_validator

from shared.domain.definition_parts import Name, Strict
from shared.domain.tool_definitions import HttpTool, McpServer, ToolUse

NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
NodeReference = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63})?$")]
"""A node, or one of its ways to end: `review`, `decide.large`, `fetch.failed`."""
Condition = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
"""A CEL expression that yields true or false. Source: https://cel.dev"""

DEFAULT_PROMPT = "{{ input.text }}"
PROVIDERS = ("google", "google-cloud", "anthropic", "anthropic-vertex", "local", "default")
PROVIDER_ALIASES = {"vertex-gemini": "google-cloud", "vertex-anthropic": "anthropic-vertex"}


class ScriptedCall(Strict):
    """A tool call that `local:scripted` makes."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ScriptedError(Strict):
    """An error that `local:scripted` raises: before any output, or after `after_chunks` chunks."""

    status: int = Field(default=503, ge=400, le=599)
    message: str = "scripted error"
    after_chunks: int | None = Field(default=None, ge=0)
    until_attempt: int | None = Field(default=None, ge=1, description="Raise only in the node's first n attempts.")


class ScriptedRule(Strict):
    """What `local:scripted` answers when the last user text (or tool result) matches `when`.

    The first rule that matches answers. A rule with `calls` calls the tools first and, once their results are there,
    streams `chunks`.
    """

    when: str = Field(default="", description="Part of the last user text, any case; empty matches always.")
    chunks: tuple[str, ...] = ()
    repeat: int = Field(default=1, ge=1, le=10_000, description="Stream the chunks this many times over.")
    delay_seconds: float = Field(default=0.0, ge=0, le=60, description="Pause before each chunk.")
    calls: tuple[ScriptedCall, ...] = ()
    error: ScriptedError | None = None


class ModelSpec(Strict):
    """The model that an agent asks. In a definition also as text, `provider:model`.

    `default` is the model that the deployment has chosen for agents that choose none.
    """

    provider: Literal["google", "google-cloud", "anthropic", "anthropic-vertex", "local", "default"]
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    seed: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    request_timeout_seconds: float = Field(default=120.0, gt=0, le=1200)
    script: tuple[ScriptedRule, ...] = Field(default=(), description="Only for local:scripted.")
    fallbacks: tuple[ModelSpec, ...] = Field(
        default=(), max_length=3, description="Asked in this order while those before are overloaded or down."
    )

    @property
    def chain(self) -> tuple[ModelSpec, ...]:
        """The model, then those that answer in its place."""
        return (self, *self.fallbacks)

    @property
    def full_name(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"

    @model_validator(mode="after")
    def _fallbacks_have_none(self) -> Self:
        if any(fallback.fallbacks for fallback in self.fallbacks):
            raise ValueError("a fallback has no fallbacks of its own: list them all in the first model")
        return self

    @model_validator(mode="before")
    @classmethod
    def _accept_text_and_old_names(cls, value: Any) -> Any:
        if isinstance(value, str):
            provider, _, model = value.partition(":")
            value = {"provider": provider, "model": model}
        if isinstance(value, dict):
            fields = cast(dict[str, Any], value)
            old = fields.get("provider")
            if old == "default" and not fields.get("model"):
                return {**fields, "model": "default"}
            return {**fields, "provider": PROVIDER_ALIASES.get(str(old), old)}
        return value


class Limits(Strict):
    """Where a node of this agent stops, those that it delegates to included; `seconds` are those of the whole run."""

    requests: int = Field(default=50, ge=1, le=1000, description="Model requests.")
    tool_calls: int = Field(default=200, ge=1, le=10_000, description="Tool calls.")
    total_tokens: int | None = Field(default=None, ge=1, description="Tokens in and out; no limit if left out.")
    cost_usd_micros: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="Cost in millionths of a US dollar; no limit if left out."
    )
    seconds: float | None = Field(
        default=None, gt=0, le=86_400, description="From the run's start; no limit if left out."
    )


class SubAgent(Strict):
    """An agent that another one may ask, as a tool; what it leaves out it takes from the definition."""

    description: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="When to ask it, for the model that decides."
    )
    model: ModelSpec | None = None
    system_prompt: str = Field(default="", max_length=200_000)
    tools: tuple[ToolUse, ...] = ()
    agents: dict[NodeName, SubAgent] = Field(default_factory=dict)


MAX_DELEGATION_DEPTH = 3
"""How many agents may stand below one another."""


class Delegate(Strict):
    """A sub-agent in a plan."""

    name: str
    description: str
    agent: AgentSpec


class AgentSpec(Strict):
    """What one agent node needs to run: the self-contained part of a plan."""

    name: str
    model: ModelSpec
    system_prompt: str = ""
    tools: tuple[ToolUse, ...] = ()
    limits: Limits = Limits()
    delegates: tuple[Delegate, ...] = ()
    output_schema: dict[str, Any] | None = None


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


class Permissions(Strict):
    """Who else may run the agent from the moment it is made; afterwards grants say so."""

    public: bool = Field(default=False, description="Everybody who is signed in.")
    shared_with: tuple[str, ...] = Field(
        default=(), description="Usernames, addresses that their owners have verified, or ids of people."
    )


class AgentDefinition(Strict):
    """An agent, whole, as its author writes it in YAML or JSON."""

    schema_version: Literal[1] = 1
    name: Name
    display_name: str | None = Field(default=None, max_length=200)
    description: str = Field(default="", max_length=4000)
    version: str = Field(default="1.0.0", max_length=64, description="The author's own version tag.")
    type: Literal["single", "delegation", "graph"] = "single"
    scope: Literal["user", "system", "marketplace"] = "user"
    model: ModelSpec
    system_prompt: str = Field(default="", max_length=200_000)
    prompt: str = Field(
        default=DEFAULT_PROMPT, max_length=200_000, description="What a run asks, of its input: {{ input.topic }}."
    )
    input_schema: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of an object that every run's input must fit."
    )
    output_schema: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of an object that every run's output fits."
    )
    parameters: dict[str, Any] | None = Field(
        default=None,
        description="Makes this a template: JSON Schema of an object whose properties have defaults; ${name} is one.",
    )
    tools: tuple[ToolUse, ...] = ()
    agents: dict[NodeName, SubAgent] = Field(
        default_factory=dict, description="The agents that this one may ask, for the type 'delegation'."
    )
    http_tools: tuple[HttpTool, ...] = Field(default=(), max_length=100)
    mcp_servers: tuple[McpServer, ...] = Field(default=(), max_length=20)
    graph: Graph | None = None
    workflows: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    permissions: Permissions = Permissions()
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _graph_fits_type(self) -> Self:
        if (self.type == "graph") != (self.graph is not None):
            raise ValueError("type 'graph' needs 'graph', and 'graph' needs type 'graph'")
        if (self.type == "delegation") != bool(self.agents):
            raise ValueError("type 'delegation' needs 'agents', and 'agents' need type 'delegation'")
        if delegation_depth(self.agents) > MAX_DELEGATION_DEPTH:
            raise ValueError(f"agents may stand at most {MAX_DELEGATION_DEPTH} deep below one another")
        return self

    def agent_spec(self) -> AgentSpec:
        """The definition's own agent."""
        return AgentSpec(
            name=self.name,
            model=self.model,
            system_prompt=self.system_prompt,
            tools=tuple(tool for tool in self.tools if tool.enabled),
            limits=self.limits,
            delegates=_delegates(self.name, self.model, self.agents, self.limits),
            output_schema=None if self.type == "graph" else self.output_schema,
        )


def _delegates(path: str, model: ModelSpec, agents: Mapping[str, SubAgent], limits: Limits) -> tuple[Delegate, ...]:
    return tuple(
        Delegate(
            name=name,
            description=sub.description,
            agent=AgentSpec(
                name=f"{path}.{name}",
                model=sub.model or model,
                system_prompt=sub.system_prompt,
                tools=tuple(tool for tool in sub.tools if tool.enabled),
                limits=limits,
                delegates=_delegates(f"{path}.{name}", sub.model or model, sub.agents, limits),
            ),
        )
        for name, sub in agents.items()
    )


def delegation_depth(agents: Mapping[str, SubAgent]) -> int:
    """How many agents stand below one another."""
    return 1 + max(delegation_depth(sub.agents) for sub in agents.values()) if agents else 0
