"""Read what somebody has used of their quota."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.budgets import day_fund, day_of, days_path, end_of_day, person_fund
from shared.domain.ids import Uid
from shared.domain.quotas import Quota, Standing, standing_path
from shared.domain.records import parse
from shared.domain.users import user_path
from shared.ports.documents import Documents
from shared.usecases.users.user_records import existing_user


@dataclass(frozen=True, slots=True)
class Meter:
    """One limit, and how much of it is used.

    Args:
        limit: None where nothing limits it.
        held: what nodes at work have set aside; what they do not use comes back.
        resets_at: when it begins anew; None for what is given back.
    """

    limit: int | None
    used: int
    held: int = 0
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UsageToday:
    """Everything that is limited for a person, today (UTC); runs count when they are started if that is limited."""

    day: str
    calls: Meter
    tokens: Meter
    cost_usd_micros: Meter
    runs: Meter
    runs_per_minute: Meter
    concurrent_runs: Meter
    parallel_nodes: Meter


async def get_usage(documents: Documents, uid: Uid, default: Quota, now: datetime) -> UsageToday:
    """What a person has used.

    Raises:
        NotFound: there is no such person.
        Unavailable: the store does not answer.
    """
    day = day_of(now)
    places = person_fund(uid, default.nodes).path(day)
    paths = [user_path(uid), standing_path(uid), f"{days_path(uid)}/{day}", places]
    user, stored, today, nodes = await documents.get_many(paths)
    existing_user(user)
    known = Standing(uid) if stored.fields is None else parse(Standing, stored.fields)
    quota = known.quota.over(default)
    standing = known.at(now, quota)
    ends, fund = end_of_day(day), day_fund(uid, quota.day)
    ledger = today.fields or {}

    def metered(name: str) -> Meter:
        used = ledger.get(name, 0)
        held = max(ledger.get(f"granted_{name}", 0) - used, 0) if name in fund.limits.limited else 0
        return Meter(fund.limits.limit(name), used, held, ends)

    per_minute, per_day = standing.runs_per_minute, standing.runs_per_day
    return UsageToday(
        day=day,
        calls=metered("calls"),
        tokens=metered("tokens"),
        cost_usd_micros=metered("cost_usd_micros"),
        runs=Meter(quota.runs_per_day, max(per_day.used, ledger.get("runs", 0)), resets_at=ends),
        runs_per_minute=Meter(quota.runs_per_minute, per_minute.used, resets_at=per_minute.resets_at),
        concurrent_runs=Meter(quota.concurrent_runs, standing.active_runs),
        parallel_nodes=Meter(quota.parallel_nodes, 0, _places(nodes.fields or {})),
    )


def _places(ledger: Mapping[str, Any]) -> int:
    return ledger.get("granted_places", 0)
