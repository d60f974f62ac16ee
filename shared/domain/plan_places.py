"""Where in a definition a vertex of its plan was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.domain.graph_definitions import GraphNode, LoopNode, MapNode, SubgraphNode, fallback_of
from shared.domain.ids import NodeId


def place_of(nodes: Mapping[str, GraphNode], vertex: NodeId) -> str:
    """The path of the node that a vertex was made of; of one that begins a graph, the path of that graph's nodes.

    What a kept agent brings was not written here: its place is where the agent is referred to.
    """
    return _in_graph("graph.nodes", nodes, vertex.split("."))


def _in_graph(path: str, nodes: Mapping[str, GraphNode], names: Sequence[str]) -> str:
    name, *below = names
    return path if name == "input" else _in_node(f"{path}.{name}", nodes[name], below)


def _in_node(path: str, node: GraphNode, names: Sequence[str]) -> str:
    if not names:
        return path
    name, *below = names
    if (fallback := fallback_of(node)) is not None:
        if name == "fallback":
            return _in_node(f"{path}.fallback", fallback, below)
        return _in_node(path, node.model_copy(update={"fallback": None}), below)
    match node:
        case SubgraphNode():
            return _in_graph(f"{path}.graph.nodes", node.graph.nodes, names)
        case MapNode() | LoopNode():
            return _in_node(f"{path}.body", node.body, below)
        case _:
            return path
