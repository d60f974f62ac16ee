"""What nodes refer to, in their templates, in their conditions, and by waiting for each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.graph_definitions import (
    INPUT,
    AgentNode,
    ApprovalNode,
    BranchNode,
    GraphNode,
    LoopNode,
    MapNode,
    SubgraphNode,
    ToolNode,
)
from shared.domain.ids import NodeId
from shared.domain.plans import (
    AgentWork,
    AnyWork,
    ApprovalWork,
    BranchWork,
    InputWork,
    ItemsWork,
    LoopWork,
    MapWork,
    ToolWork,
)
from shared.domain.templates import references

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_IDENTIFIER = re.compile(r"(?<![\w.])[a-z_][a-z0-9_]*", re.ASCII)


def predecessors(name: str, node: GraphNode, nodes: Mapping[str, GraphNode]) -> tuple[NodeId, ...]:
    """The nodes that `node` waits for: those it names, then those that its templates refer to."""
    named = [before.partition(".")[0] for before in node.after]
    referred = [root for root in roots_of(node) if root in nodes and root != name]
    return tuple(NodeId(before) for before in dict.fromkeys([*named, *referred]))


def cases_of(node: GraphNode) -> dict[NodeId, str]:
    """Which way a predecessor must end, where the node says so."""
    pairs = [before.partition(".") for before in node.after]
    return {NodeId(name): case for name, _, case in pairs if case}


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
        case InputWork() if node.turn is not None and node.turn.until is not None:
            return [node.turn.until]
        case _:
            return []


def names_in(conditions: list[str]) -> list[str]:
    """The identifiers in CEL expressions that stand at the beginning of a path."""
    return [name for condition in conditions for name in _IDENTIFIER.findall(without_texts(condition))]


def without_texts(condition: str) -> str:
    """A CEL expression without the texts in it, whose words are no names."""
    return _LITERAL.sub(" ", condition)


def templates_of(node: GraphNode | AnyWork) -> list[Any]:
    """Every template of a node, with those of its fallback, or of a vertex's work."""
    match node:
        case AgentNode() | ToolNode() | SubgraphNode():
            return [_own_template(node), *_of_fallback(node)]
        case LoopNode() | LoopWork():
            return [*templates_of(node.body), *(_of_fallback(node) if isinstance(node, LoopNode) else ())]
        case MapNode() | MapWork() | ItemsWork():
            return [node.over, *([] if isinstance(node, ItemsWork) else templates_of(node.body))]
        case ApprovalNode() | ApprovalWork():
            return [node.message]
        case AgentWork() | ToolWork() | InputWork():
            return [_template_of_step(node)]
        case _:
            return []


def _of_fallback(node: AgentNode | ToolNode | SubgraphNode | LoopNode) -> list[Any]:
    return [] if node.fallback is None else templates_of(node.fallback)


def _own_template(node: AgentNode | ToolNode | SubgraphNode) -> Any:
    match node:
        case AgentNode():
            return node.prompt if node.agent is None else input_of(node)
        case ToolNode():
            return node.arguments
        case SubgraphNode():
            return node.input


def _template_of_step(work: AgentWork | ToolWork | InputWork) -> Any:
    match work:
        case AgentWork():
            return work.prompt if work.input is None else work.input
        case ToolWork():
            return work.arguments
        case InputWork():
            return work.value


def input_of(node: AgentNode) -> Any:
    """What a node gives to a kept agent."""
    return INPUT if node.input is None else node.input
