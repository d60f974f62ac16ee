"""A graph whose map has as many items as a test wants."""

from __future__ import annotations

from typing import Any


def wide_map(items: int, **more: Any) -> dict[str, Any]:
    """Nodes that list the numbers below `items`, echo each in an item of a map, and join them; `more` is the map's."""
    return {
        "list": {"kind": "tool", "tool": "echo", "arguments": {"value": list(range(items))}},
        "each": {
            "kind": "map",
            "over": "{{ list.output }}",
            "body": {"kind": "tool", "tool": "echo", "arguments": {"value": "{{ item }}"}},
            **more,
        },
        "all": {"kind": "join", "after": ["each"]},
    }
