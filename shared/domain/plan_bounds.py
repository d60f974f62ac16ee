"""The most that a run of a plan can come to: how many node runs, model requests and tool calls, and what they cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.budgets import Budget
from shared.domain.definitions import AgentSpec
from shared.domain.errors import Fault
from shared.domain.model_catalog import CATALOG, Price
from shared.domain.model_specs import ModelSpec
from shared.domain.plans import AgentWork, LoopWork, MapWork, Plan, PlanNode, ToolWork
from shared.domain.run_bounds import MOST_NODE_RUNS, PlanBounds

DEFAULT_OUTPUT_TOKENS = 65_536
"""What a response is taken to have at most where the definition does not limit it."""


def bound_plan(plan: Plan) -> PlanBounds:
    """The worst case of a plan: every node runs, each map has as many items and each loop as many rounds as it may."""
    runs = calls = 0
    consumed: dict[int | None, _Consumed] = defaultdict(_Consumed)
    for node in plan.nodes:
        times = times_of(node)
        runs += runs_of(node)
        step = node.work.body if isinstance(node.work, MapWork | LoopWork) else node.work
        if isinstance(step, ToolWork):
            calls += times
        if isinstance(step, AgentWork):
            calls += times * step.agent.limits.tool_calls
            consumed[node.part] += _Consumed(step.agent.limits.requests, cost_of(step.agent)).times(times)
    vertices = {node.id: node for node in plan.nodes}
    for number, part in reversed(list(enumerate(plan.parts))):  # what is within another comes after it
        most = _Consumed.most(part.budget).times(times_of(vertices[part.vertex]))
        consumed[part.within] += consumed[number].up_to(most)
    whole = consumed[None]
    return PlanBounds(len(plan.nodes), runs, whole.requests or 0, calls, whole.cost)


@dataclass(frozen=True, slots=True)
class _Consumed:
    """The most that nodes consume; None is not known, or not limited."""

    requests: int | None = 0
    cost: int | None = 0

    @classmethod
    def most(cls, budget: Budget) -> _Consumed:
        return cls(budget.calls, budget.cost_usd_micros)

    def __add__(self, other: _Consumed) -> _Consumed:
        return _Consumed(_sum(self.requests, other.requests), _sum(self.cost, other.cost))

    def times(self, times: int) -> _Consumed:
        return _Consumed(*(None if one is None else times * one for one in (self.requests, self.cost)))

    def up_to(self, most: _Consumed) -> _Consumed:
        return _Consumed(_least(self.requests, most.requests), _least(self.cost, most.cost))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _least(one: int | None, other: int | None) -> int | None:
    return min((known for known in (one, other) if known is not None), default=None)


def bound_faults(plan: Plan, bounds: PlanBounds, most: int = MOST_NODE_RUNS) -> Iterator[Fault]:
    """What a deployment does not run that lets a run come to `most` node runs; told of the node with the most."""
    if bounds.node_runs > most:
        parts = Counter[str]()
        for node in plan.nodes:
            parts[node.id.partition(".")[0]] += runs_of(node)
        ((name, runs),) = parts.most_common(1)
        reason = f"a run may come to {bounds.node_runs:,} node runs, {runs:,} of them here, and {most:,} are the most"
        yield Fault(f"graph.nodes.{name}", reason, "a lower max_items of maps, or max_rounds of loops")


def runs_of(node: PlanNode) -> int:
    """How often a vertex is executed at most: once, and once for each item or round."""
    return 1 + times_of(node) if isinstance(node.work, MapWork | LoopWork) else 1


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
