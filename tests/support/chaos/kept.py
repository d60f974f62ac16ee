"""Some agents and subgraphs of a random graph become agents that are kept on their own, with budgets of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from shared.domain.definitions import AgentDefinition
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId, Uid
from shared.domain.kept_agents import KeptAgent, KeptAgents

BUDGETS = (("calls", 1), ("tokens", 15), ("cost_usd_micros", 7))
"""What a budget may limit, and how much of it each call takes."""


def keep_parts(random: Random, owner: Uid, raw: dict[str, Any]) -> KeptAgents:
    """Replace nodes of a graph by references, in place; what they refer to."""
    kept: dict[AgentReference, KeptAgent] = {}
    if random.random() < 0.5:
        return kept
    for node in list(_nodes(raw["graph"]["nodes"])):
        if node["kind"] not in {"agent", "subgraph"} or random.random() < 0.3:
            continue
        reference = AgentReference(id=f"kept{len(kept)}")
        agent = _agent(random, raw, node)
        kept[reference] = KeptAgent(AgentId(reference.id), 1, owner, AgentDefinition.model_validate(agent))
        node |= {"kind": "agent", "agent": {"id": reference.id}}
    return kept


def keep_made(owner: Uid, agents: Mapping[str, dict[str, Any]]) -> KeptAgents:
    """Agents that are made by hand, by the ids with which a graph refers to them."""
    return {
        AgentReference(id=name): KeptAgent(AgentId(name), 1, owner, AgentDefinition.model_validate(agent))
        for name, agent in agents.items()
    }


def _nodes(nodes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node that may be replaced, those within others first."""
    for node in nodes.values():
        fallback = (node["fallback"],) if "fallback" in node else ()
        for one in (*fallback, node.get("body", node)):
            if "graph" in one:
                yield from _nodes(one["graph"]["nodes"])
            yield one


def _agent(random: Random, raw: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The agent that does what a node does; what goes to it stays with the node."""
    agent = {key: raw[key] for key in ("model", "tools", "system_prompt")} | {"name": "kept"}
    if node["kind"] == "subgraph":
        agent |= {"type": "graph", "graph": node.pop("graph")}
    else:
        agent |= {"system_prompt": node.pop("system_prompt"), "prompt": "{{ input.text }}"}
        node["input"] = node.pop("prompt")
        if random.random() < 0.4:
            agent |= _asking(agent)
    return agent | {"budget": _budget(random)}


def _asking(agent: dict[str, Any]) -> dict[str, Any]:
    """What makes an agent ask another, which does what this one did, before all that it does."""
    steps = json.loads(agent["system_prompt"])
    asks = {"sizes": [40], "seconds": 0.4, "tools": ["ask_writer"], "parallel": False, "void": False}
    writer = {"description": "writes", "system_prompt": agent["system_prompt"], "tools": agent["tools"]}
    return {"type": "delegation", "system_prompt": json.dumps([asks, *steps]), "agents": {"writer": writer}}


def _budget(random: Random) -> dict[str, int]:
    name, price = random.choice(BUDGETS)
    budget = {name: price * random.choice((1, 2, 3, 4, 9, 200)) + price // 2} if random.random() < 0.7 else {}
    return budget | ({"parallel_nodes": random.choice((1, 2))} if random.random() < 0.4 else {})
