"""The graphs that are measured."""

from __future__ import annotations

from typing import Any

Nodes = dict[str, dict[str, Any]]


def chain(length: int, node: dict[str, Any]) -> Nodes:
    """One node after the other."""
    return {f"n{at}": {**node, **({"after": [f"n{at - 1}"]} if at else {})} for at in range(length)}


def fan_out(body: dict[str, Any]) -> Nodes:
    """One instance for each item of the input's `items`, and a join."""
    each = {"kind": "map", "over": "{{ input.items }}", "body": body}
    return {"each": each, "all": {"kind": "join", "after": ["each"], "reducer": "text"}}


def lattice(layers: int, width: int, node: dict[str, Any]) -> Nodes:
    """Layers of nodes, each of which waits for the whole layer before it."""
    nodes: Nodes = {}
    for layer in range(layers):
        before = [f"n{layer - 1}_{at}" for at in range(width)] if layer else []
        nodes |= {f"n{layer}_{at}": {**node, **({"after": before} if before else {})} for at in range(width)}
    return nodes
