"""What the vertices of a plan do, by the nodes of its definition."""

from __future__ import annotations

from shared.domain.definitions import AgentDefinition, AgentSpec
from shared.domain.graph_definitions import (
    AgentNode,
    ApprovalNode,
    BranchNode,
    GraphNode,
    JoinNode,
    LoopNode,
    MapNode,
    ToolNode,
)
from shared.domain.plans import AgentWork, AnyWork, ApprovalWork, BranchWork, JoinWork, LoopWork, MapWork, ToolWork


def repeated(node: MapNode | LoopNode, body: AnyWork) -> MapWork | LoopWork:
    """The work of a node that does its body again and again."""
    assert isinstance(body, AgentWork | ToolWork)  # noqa: S101 - it is planned as a body
    if isinstance(node, MapNode):
        return MapWork(kind="map", over=node.over, max_items=node.max_items, body=body, max_parallel=node.max_parallel)
    return LoopWork(kind="loop", body=body, until=node.until, max_rounds=node.max_rounds)


def control(node: GraphNode) -> AnyWork:
    """The work of a node that steers."""
    match node:
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
        case _:
            raise ValueError(f"{node.kind} does not steer")


def tool_work(definition: AgentDefinition, node: ToolNode) -> ToolWork:
    """The work of a node that calls a tool."""
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


def agent_work(definition: AgentDefinition, name: str, node: AgentNode) -> AgentWork:
    """The work of a node with an agent of its own; what it leaves out is the definition's."""
    own = definition.agent_spec()
    agent = AgentSpec(
        name=f"{definition.name}.{name}",
        model=node.model or own.model,
        system_prompt=own.system_prompt if node.system_prompt is None else node.system_prompt,
        tools=own.tools if node.tools is None else tuple(tool for tool in node.tools if tool.enabled),
        limits=own.limits,
    )
    return AgentWork(kind="agent", agent=agent, prompt=node.prompt or "")
