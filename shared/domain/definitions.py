"""Agents as data: the definition that a person writes, with every key checked and none ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from shared.domain.budgets import Budget
from shared.domain.definition_parts import Name, Strict
from shared.domain.graph_definitions import Graph, NodeName
from shared.domain.model_specs import ModelSpec
from shared.domain.tool_definitions import HttpTool, McpServer, ToolUse

DEFAULT_PROMPT = "{{ input.text }}"


class Limits(Strict):
    """Where a node of this agent stops, those that it delegates to included; `seconds` are those of the whole run."""

    requests: int = Field(default=50, ge=1, le=1000, description="Model requests.")
    tool_calls: int = Field(default=200, ge=1, le=10_000, description="Tool calls.")
    total_tokens: int | None = Field(
        default=None, ge=1, le=1_000_000_000_000, description="Tokens in and out; no limit if left out."
    )
    cost_usd_micros: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="Cost in millionths of a US dollar; no limit if left out."
    )
    seconds: float | None = Field(
        default=None, gt=0, le=86_400, description="From the run's start; no limit if left out."
    )


class RunBudget(Strict):
    """What a whole run may consume, all its nodes together; each call is made only if there is enough left for it."""

    calls: int | None = Field(default=None, ge=1, le=1_000_000, description="Model requests; no limit if left out.")
    tokens: int | None = Field(
        default=None, ge=1, le=1_000_000_000_000, description="Tokens in and out; no limit if left out."
    )
    cost_usd_micros: int | None = Field(
        default=None, ge=1, le=1_000_000_000_000, description="Millionths of a US dollar; no limit if left out."
    )
    parallel_nodes: int | None = Field(
        default=None, ge=1, le=5000, description="Agents and tools of a graph at work at once; no limit if left out."
    )

    @property
    def of_run(self) -> Budget:
        """The limits."""
        return Budget(self.calls, self.tokens, self.cost_usd_micros, self.parallel_nodes)


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
    budget: RunBudget = RunBudget()
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
