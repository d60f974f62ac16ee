"""No budget is exceeded, and in the end nothing of one is held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.budgets import Amount, Fund
from shared.domain.ids import RunId
from shared.domain.records import parse
from shared.domain.runs import Run
from tests.support.chaos.agents import COST
from tests.support.chaos.monitor import Monitor

Documents = Mapping[str, Mapping[str, Any]]
PRICE = Amount.of(COST)


def ledger_faults(monitor: Monitor, found: Documents) -> Iterator[str]:
    """What is wrong with the ledgers, given the model requests that went out; every one costs the same."""
    drawing: dict[Fund, list[RunId]] = defaultdict(list)
    for run_id in monitor.runs:
        for fund in parse(Run, found[f"runs/{run_id}"]).funds:
            drawing[fund].append(run_id)
    for fund, runs in drawing.items():
        calls = sum(monitor.calls_of[run_id] for run_id in runs)
        ledgers = {path: fields for path, fields in found.items() if _is_of(fund, path)}
        for name in fund.limits.limited:
            most = (fund.limits.limit(name) or 0) * len(ledgers)  # the world begins at midnight, and clocks differ
            if calls * PRICE[name] > most:
                yield f"{calls} calls cross the {fund.kind} budget of {most} {name}"
        for path, fields in ledgers.items():
            yield from (f"{path}: {fault}" for fault in _held(fund, fields))
        if fund.limits.calls is not None and (counted := sum(one["calls"] for one in ledgers.values())) < calls:
            yield f"the {fund.kind} budget counts {counted} calls of {calls}"


def _is_of(fund: Fund, path: str) -> bool:
    return path.rpartition("/")[0] == fund.ledger if fund.is_daily else path == fund.ledger


def _held(fund: Fund, fields: Mapping[str, Any]) -> Iterator[str]:
    for name in fund.limits.limited:
        granted, spent = fields.get(f"granted_{name}", 0), fields.get(name, 0)
        if granted != spent:
            yield f"{granted} {name} are granted, and {spent} are spent"
