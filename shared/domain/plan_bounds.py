"""The most that a run of a plan can come to: how many node runs, model requests and tool calls, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.definitions import AgentSpec
from shared.domain.errors import Fault
from shared.domain.model_catalog import CATALOG, Price
from shared.domain.model_specs import ModelSpec
from shared.domain.plans import AgentWork, LoopWork, MapWork, Plan, PlanNode, ToolWork

MOST_NODE_RUNS = 100_000
"""Of one run."""
DEFAULT_OUTPUT_TOKENS = 65_536
"""What a response is taken to have at most where the definition does not limit it."""


@dataclass(frozen=True, slots=True)
class PlanBounds:
    """The worst case of a plan.

    Args:
        nodes: its vertices.
        node_runs: executions of nodes, with all items of maps and rounds of loops.
        requests: model requests, those of delegates included.
        tool_calls: tool calls, likewise.
        cost_usd_micros: what the requests cost; None where a model's price or the size of a request is not known.
    """

    nodes: int
    node_runs: int
    requests: int
    tool_calls: int
    cost_usd_micros: int | None


def bound_plan(plan: Plan) -> PlanBounds:
    """The worst case of a plan: every node runs, each map has as many items and each loop as many rounds as it may."""
    runs = requests = calls = 0
    cost: int | None = 0
    for node in plan.nodes:
        times = times_of(node)
        runs += 1 + times if isinstance(node.work, MapWork | LoopWork) else 1
        step = node.work.body if isinstance(node.work, MapWork | LoopWork) else node.work
        if isinstance(step, ToolWork):
            calls += times
        if isinstance(step, AgentWork):
            requests += times * step.agent.limits.requests
            calls += times * step.agent.limits.tool_calls
            own = cost_of(step.agent)
            cost = None if cost is None or own is None else cost + times * own
    return PlanBounds(len(plan.nodes), runs, requests, calls, cost)


def bound_faults(bounds: PlanBounds) -> Iterator[Fault]:
    """What no deployment runs."""
    if bounds.node_runs > MOST_NODE_RUNS:
        reason = f"may come to {bounds.node_runs:,} node runs, and {MOST_NODE_RUNS:,} are the most"
        yield Fault("graph.nodes", reason, "max_items of maps, max_rounds of loops")


def times_of(node: PlanNode) -> int:
    """How often a vertex does its work at most."""
    match node.work:
        case MapWork():
            return node.work.max_items
        case LoopWork():
            return node.work.max_rounds
        case _:
            return 1


def cost_of(agent: AgentSpec) -> int | None:
    """What an agent spends at most: up to its limit of cost, and the one response that crosses it."""
    single = [_of_request(spec) for one in _agents(agent) for spec in one.model.chain]
    known = [cost for cost in single if cost is not None]
    if len(known) < len(single):
        return None
    dearest = max(known)
    limit, most = agent.limits.cost_usd_micros, dearest * agent.limits.requests
    return most if limit is None else min(most, limit + dearest)


def _agents(agent: AgentSpec) -> Iterator[AgentSpec]:
    yield agent
    for delegate in agent.delegates:
        yield from _agents(delegate.agent)


def _of_request(model: ModelSpec) -> int | None:
    """What one request costs at most: all that the model takes in, and the longest response."""
    facts = CATALOG.get(model.full_name)
    if facts is None or not facts.prices:
        return None
    taken = facts.context_tokens
    if taken is None:
        return 0 if all(_is_free(price) for price in facts.prices) else None
    given = model.max_tokens or DEFAULT_OUTPUT_TOKENS
    return max(round(taken * price.input + given * price.output) for price in facts.prices)


def _is_free(price: Price) -> bool:
    return price.input == price.output == 0
