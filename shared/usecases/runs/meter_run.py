"""Meter a run: what its nodes may consume, and whether the person who starts it may start one more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.domain.budgets import Amount, Budget, Fund, FundKind, day_of, end_of_day, run_fund
from shared.domain.errors import LimitReached, QuotaExceeded
from shared.domain.ids import RunId, Uid
from shared.domain.quotas import Standing
from shared.domain.records import parse, render
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Documents, Snapshot
from shared.usecases.nodes.engine import Core


@dataclass(frozen=True, slots=True)
class Metering:
    """What limits a run.

    Args:
        funds: what its nodes draw on.
        writes: what the commit that starts it must contain; it is refused when another run was counted meanwhile.
        is_counted: it is counted among the person's active runs until it ends.
    """

    funds: tuple[Fund, ...] = ()
    writes: tuple[Write, ...] = ()
    is_counted: bool = False


async def meter_run(core: Core, uid: Uid, stored: Snapshot, granted: tuple[Fund, ...] = ()) -> Metering:
    """Let a person start one more run.

    Args:
        core: the ports, and the quota of those for whom nobody has set one.
        uid: the person.
        stored: their standing.
        granted: what the grant that they use allows.

    Raises:
        TooManyRuns: runs are started too fast, or too many are active.
        QuotaExceeded: the day's runs are all started, or consumed what may be consumed in a day; or none may be.
        Unavailable: the store does not answer.
    """
    standing = Standing(uid) if stored.fields is None else parse(Standing, stored.fields)
    quota, now = standing.quota.over(core.quota), core.clock.now()
    if quota.forbids_runs:
        raise QuotaExceeded("Your quota lets you start no runs.")  # and no time at which to come again
    funds = (*quota.funds(uid), *granted)
    writes: list[Write] = []
    if quota.limits_starts:
        counted = standing.start(now, quota)
        fields = render(counted)
        exists = stored.update_time is not None
        writes.append(Update(standing.path, fields, stored.update_time) if exists else Create(standing.path, fields))
    await _check_day(core.documents, [fund for fund in funds if fund.kind is FundKind.DAY], now)
    return Metering(funds, tuple(writes), bool(writes))


def run_funds(run_id: RunId, uid: Uid, limits: Budget) -> tuple[Fund, ...]:
    """The run's own budget, if it has one."""
    return (run_fund(run_id, uid, limits),) if limits.limited else ()


async def is_spent(documents: Documents, fund: Fund, now: datetime) -> bool:
    """Whether a day's budget is consumed; what running nodes hold is not."""
    try:
        await _check_day(documents, [fund], now)
    except LimitReached:
        return True
    return False


async def _check_day(documents: Documents, funds: list[Fund], now: datetime) -> None:
    """Refuse a run that could not make a single call.

    Raises:
        QuotaExceeded: the day's budget is consumed.
    """
    if not funds:
        return
    day = day_of(now)
    seconds = (end_of_day(day) - now).total_seconds()
    for fund, ledger in zip(funds, await documents.get_many([fund.path(day) for fund in funds]), strict=True):
        try:
            fund.check(ledger.fields or {}, Amount(calls=1, tokens=1, cost_usd_micros=1))
        except LimitReached as error:
            raise QuotaExceeded(error.message, retry_after_seconds=seconds) from error
