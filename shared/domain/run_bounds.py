"""What a run can come to at most, and what is said of that before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.costs import dollars
from shared.domain.errors import Fault

MOST_NODE_RUNS = 100_000
"""Of one run, if the deployment does not say."""


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


def bound_warnings(bounds: PlanBounds, most_cost: int | None) -> Iterator[Fault]:
    """What may stop a run before its end; hardly any run comes to its worst case, so it is no reason to refuse it.

    Args:
        bounds: the worst case.
        most_cost: what a run may cost, in millionths of a US dollar; None if that is not limited.
    """
    cost = bounds.cost_usd_micros
    if cost is not None and most_cost is not None and cost > most_cost:
        reason = f"a run may come to {dollars(cost)}, and is stopped before it costs more than {dollars(most_cost)}"
        yield Fault("budget.cost_usd_micros", reason)
