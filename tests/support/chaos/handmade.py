"""Agents that are made by hand, for schedules with exactly one fault, and for one guard each."""

from __future__ import annotations

import json
from typing import Any


def _tool(name: str, value: Any = "x", **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": name, "arguments": {"value": value, "count": 2}, **more}


def _agent(speaker: str, **more: Any) -> dict[str, Any]:
    return {"kind": "agent", "prompt": f"{speaker}|{{{{ input.text }}}}|", "system_prompt": _steps(), **more}


def _steps(*tools: tuple[str, ...], seconds: float = 0.4) -> str:
    steps = [
        {"sizes": [40, 1500], "seconds": seconds, "tools": list(some), "parallel": len(some) > 1, "void": False}
        for some in (*tools, ())
    ]
    return json.dumps(steps)


GRAPH, SINGLE, DELEGATION, METERED, HURRIED, CROWD = -1, -2, -3, -4, -5, -6
SIGNED, GATED, QUORUM, LOOP, NESTED, TIGHT = -7, -8, -9, -10, -11, -12
HASTY, BEARING = -13, -14
HANDMADE: dict[int, dict[str, Any]] = {
    SINGLE: {"system_prompt": _steps(("echo", "post"), ("pay",))},
    DELEGATION: {
        "type": "delegation",
        "system_prompt": _steps(("ask_writer", "ask_writer"), ("ask_writer",)),
        "agents": {
            "writer": {
                "description": "writes",
                "system_prompt": _steps(("ask_critic", "pay")),
                "tools": ["pay"],
                "agents": {"critic": {"description": "judges", "system_prompt": _steps()}},
            }
        },
    },
    GRAPH: {
        "type": "graph",
        "graph": {
            "nodes": {
                "list": _tool("numbers"),
                "each": {"kind": "map", "over": "{{ list.output }}", "body": _tool("echo", "{{ item }}")},
                "side": {"kind": "agent", "prompt": "side|{{ input.text }}|", "system_prompt": _steps(("pay",))},
                "last": _tool("post", "{{ side.output }}"),
                "all": {"kind": "join", "after": ["each", "last", "side"]},
            }
        },
    },
    # Long at work, longer than a commit may be late, and so tight a budget that each call is drawn by itself.
    METERED: {"system_prompt": _steps(*[("pay",)] * 5, seconds=6.0), "budget": {"calls": 30}},
    # Each node draws two calls and makes one: so those at work hold more than there is, which in the end suffices.
    CROWD: {
        "type": "graph",
        "graph": {
            "nodes": {
                f"n{number}": {
                    "kind": "agent",
                    "prompt": f"n{number}|{{{{ input.text }}}}|",
                    "system_prompt": _steps(seconds=6.0),
                }
                for number in range(30)
            }
        },
        "budget": {"calls": 32},
    },
    # Ends without waiting for the person whom it asks.
    HURRIED: {
        "type": "graph",
        "graph": {
            "nodes": {
                "work": {"kind": "agent", "prompt": "work|{{ input.text }}|", "system_prompt": _steps(("echo",))},
                "gate": {"kind": "approval", "message": "go?", "expires_after_seconds": 86_400, "default": "deny"},
                "first": {"kind": "join", "policy": "any", "after": ["work", "gate"]},
            }
        },
    },
    # Asks for two agreements at once, and uses what is agreed to.
    SIGNED: {"system_prompt": _steps(("sign", "sign"), ("pay",))},
    GATED: {
        "type": "graph",
        "graph": {
            "nodes": {
                "draft": _agent("draft"),
                "gate": {"kind": "approval", "message": "go?", "expires_after_seconds": 86_400, "after": ["draft"]},
                "send": _tool("pay", "{{ draft.output }}", after=["gate"]),
                "shelve": _tool("echo", after=["gate.denied"]),
            }
        },
    },
    # The join fires with two of three items, and what comes after it does not wait for the third.
    QUORUM: {
        "type": "graph",
        "graph": {
            "nodes": {
                "each": {
                    "kind": "map",
                    "over": "{{ input.items }}",
                    "body": {**_agent("each[{{ index }}]"), "system_prompt": _steps(("post",))},
                },
                "some": {"kind": "join", "policy": "quorum", "quorum": 2, "after": ["each"]},
                "last": _tool("pay", "{{ some.output }}", after=["some"]),
            }
        },
    },
    LOOP: {
        "type": "graph",
        "graph": {
            "nodes": {
                "again": {
                    "kind": "loop",
                    "body": {**_agent("again[{{ index }}]"), "system_prompt": _steps(("post",))},
                    "until": "index >= 1",
                    "max_rounds": 3,
                },
                "last": _tool("pay", "{{ again.output }}", after=["again"]),
            }
        },
    },
    NESTED: {
        "type": "graph",
        "graph": {
            "nodes": {
                "first": _tool("numbers"),
                "part": {
                    "kind": "subgraph",
                    "input": {"text": "{{ input.text }}", "items": "{{ first.output }}"},
                    "after": ["first"],
                    "graph": {
                        "nodes": {
                            "each": {"kind": "map", "over": "{{ input.items }}", "body": _tool("post", "{{ item }}")},
                            "fails": _tool("fail"),
                            "mends": _agent("part.mends", after=["fails.failed"]),
                            "both": {"kind": "join", "after": ["each", "mends"]},
                        }
                    },
                },
                "last": _tool("pay", "{{ part.output }}", after=["part"]),
            }
        },
    },
    # What it may consume is used up to the last call.
    TIGHT: {
        "type": "graph",
        "graph": {
            "nodes": {
                **{name: {**_agent(name), "system_prompt": _steps(("post",))} for name in "abc"},
                "all": {"kind": "join", "after": ["a", "b", "c"]},
            }
        },
        "budget": {"calls": 6},
    },
    # Ends without waiting for the agent that has asked another.
    HASTY: {
        "type": "graph",
        "graph": {
            "nodes": {
                "talk": {
                    "kind": "agent",
                    "agent": {"id": "asks"},
                    "input": "talk|{{ input.text }}|",
                    "retry": {"max_attempts": 5, "initial_seconds": 60},
                },
                "work": {**_agent("work"), "system_prompt": _steps(("echo",), ("echo",))},
                "first": {"kind": "join", "policy": "any", "after": ["talk", "work"]},
            }
        },
    },
    # The join has enough without what fails, and without what is skipped for it.
    BEARING: {
        "type": "graph",
        "graph": {
            "nodes": {
                "good": _tool("echo"),
                "bad": _tool("fail"),
                "part": {
                    "kind": "subgraph",
                    "after": ["bad"],
                    "graph": {"nodes": {"one": _tool("echo"), "two": _tool("post", after=["one"])}},
                },
                "first": {"kind": "join", "policy": "any", "after": ["good", "bad", "part"]},
            }
        },
    },
}
"""By the number that takes a seed's place."""
_CRITIC = {"description": "judges", "system_prompt": _steps(("post",), ("post",)), "tools": ["post"]}
_WRITER = {"description": "writes", "system_prompt": _steps(("ask_critic",)), "agents": {"critic": _CRITIC}}
KEPT: dict[int, dict[str, dict[str, Any]]] = {
    HASTY: {
        "asks": {
            "name": "asks",
            "type": "delegation",
            "model": "local:scripted",
            "prompt": "{{ input.text }}",
            "system_prompt": _steps(("ask_writer",)),
            "agents": {"writer": _WRITER},
        }
    }
}
"""The agents that these refer to."""
