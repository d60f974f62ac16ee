"""Some bodies of maps and loops in a random graph become graphs."""

from __future__ import annotations

from random import Random
from typing import Any

MOST_ITEMS = 3
"""Longer lists fail the map."""
INPUT = {"text": "{{ input.text }}", "items": "{{ input.items }}", "item": "{{ item }}", "n": "{{ index }}"}


def make_turns(random: Random, nodes: dict[str, Any], within: str = "") -> None:
    """Replace three bodies in ten, in place: a plan has the vertices of every item and round that there may be."""
    for name, node in nodes.items():
        speaker = f"{within}{name}.main" if "fallback" in node else f"{within}{name}"
        if node["kind"] == "subgraph":
            make_turns(random, node["graph"]["nodes"], f"{speaker}.")
        if node["kind"] not in {"map", "loop"} or random.random() < 0.7:
            continue
        for key in ("retry", "timeout_seconds"):
            node.pop(key, None)
        node["body"] = _graph(random, speaker, node["body"])
        if node["kind"] == "map":
            node["max_items"] = MOST_ITEMS


def _graph(random: Random, speaker: str, body: dict[str, Any]) -> dict[str, Any]:
    """A graph that does what a body does, and something with it."""
    first = {**body, "retry": {"max_attempts": 3, "initial_seconds": 1.0}}
    if body["kind"] == "agent":
        first["prompt"] = f"{speaker}.{{{{ input.n }}}}.a|{{{{ input.text }}}}|{{{{ input.item }}}}"
    elif "value" in body["arguments"]:
        first["arguments"] = {"value": "{{ input.item }}"}
    nodes = {
        "a": first,
        "b": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ a.output }}"}},
        "c": {"kind": "tool", "tool": "echo", "arguments": {"value": "c"}, "after": ["a.failed"]},
        "d": {"kind": "join", "after": ["a", "b"]},
    }
    kept = ["a", *random.sample(["b", "c"], random.randrange(3))]
    kept += ["d"] if "b" in kept and random.random() < 0.5 else []
    return {"kind": "subgraph", "input": INPUT, "graph": {"nodes": {name: nodes[name] for name in kept}}}
