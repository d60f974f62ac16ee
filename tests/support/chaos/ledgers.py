"""No budget is exceeded, and in the end nothing of one is held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.budgets import Amount, Fund, part_fund
from shared.domain.ids import instance_of, parse_instance
from shared.domain.plan_graphs import PlanGraph
from shared.domain.records import parse
from shared.domain.runs import Run
from tests.support.chaos.agents import COST
from tests.support.chaos.delegates import holder_of
from tests.support.chaos.monitor import Monitor

Documents = Mapping[str, Mapping[str, Any]]
PRICE = Amount.of(COST)
_SPENT = ("calls", "tokens", "cost_usd_micros")


def ledger_faults(monitor: Monitor, graph: PlanGraph, found: Documents) -> Iterator[str]:
    """What is wrong with the ledgers, given the model requests that went out; every one costs the same."""
    for fund, calls in _drawn(monitor, graph, found).items():
        ledgers = {path: fields for path, fields in found.items() if _is_of(fund, path)}
        for name in fund.limits.limited:
            most = (fund.limits.limit(name) or 0) * len(ledgers)  # the world begins at midnight, and clocks differ
            if calls * PRICE[name] > most:
                yield f"{calls} calls cross the {fund.kind} budget of {most} {name}"
        for path, fields in ledgers.items():
            yield from (f"{path}: {fault}" for fault in _held(fund, fields))
        if fund.limits.calls is not None and (counted := sum(one["calls"] for one in ledgers.values())) < calls:
            yield f"the {fund.kind} budget counts {counted} calls of {calls}"


def _drawn(monitor: Monitor, graph: PlanGraph, found: Documents) -> dict[Fund, int]:
    """How many calls were made out of each budget."""
    drawn: dict[Fund, int] = defaultdict(int)
    for run_id in monitor.runs:
        run = parse(Run, found[f"runs/{run_id}"])
        for fund in run.funds:
            drawn[fund] += monitor.calls_of[run_id]
        for fund, calls in _of_parts(monitor, graph, run):
            drawn[fund] += calls
    return drawn


def _of_parts(monitor: Monitor, graph: PlanGraph, run: Run) -> Iterator[tuple[Fund, int]]:
    """The budgets that kept agents bring to a run, each with the calls of one of the nodes that draw on it."""
    for (run_id, instance), calls in monitor.calls_at.items():
        name, epoch, index = parse_instance(holder_of(instance))
        for part in graph.plan.parts_of(graph.by_id[name]) if run_id == run.id and graph.plan.parts else ():
            whole = instance_of(part.vertex, epoch, index if part.vertex == name else None)
            yield part_fund(run.id, whole, run.owner_uid, part.budget), calls


def is_used_up(run: Run, found: Documents) -> bool:
    """Whether a budget that nodes of the run drew on has in the end too little left for one call more."""
    ledgers = [
        fields
        for path, fields in found.items()
        if path.startswith(f"runs/{run.id}/ledgers/") or any(_is_of(fund, path) for fund in run.funds)
    ]
    limits = [(fields, name, fields.get(f"limit_{name}")) for fields in ledgers for name in _SPENT]
    return any(most is not None and fields.get(name, 0) + PRICE[name] > most for fields, name, most in limits)


def _is_of(fund: Fund, path: str) -> bool:
    return path.rpartition("/")[0] == fund.ledger if fund.is_daily else path == fund.ledger


def _held(fund: Fund, fields: Mapping[str, Any]) -> Iterator[str]:
    for name in fund.limits.limited:
        granted, spent = fields.get(f"granted_{name}", 0), fields.get(name, 0)
        if granted != spent:
            yield f"{granted} {name} are granted, and {spent} are spent"
