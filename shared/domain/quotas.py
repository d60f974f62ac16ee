"""Quotas: how many runs a person may start, how fast, and what those may consume in a day."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta

from shared.domain.budgets import Budget, Fund, day_fund, day_of, end_of_day, person_fund
from shared.domain.errors import QuotaExceeded, TooManyRuns
from shared.domain.ids import Uid
from shared.domain.runs import Run
from shared.domain.writes import Increment, Merge, Write

MINUTE = timedelta(minutes=1)
BUSY_SECONDS = 5.0
"""After how long to look again whether one of too many runs has ended: nobody knows."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a person may do; None does not limit. Days begin at 00:00 UTC.

    Args:
        calls_per_day: model requests.
        tokens_per_day: in and out.
        cost_usd_micros_per_day: millionths of a US dollar.
        runs_per_day: runs that are started.
        runs_per_minute: runs that are started.
        concurrent_runs: runs that have been started and have not ended, those that wait for people too.
        parallel_nodes: agents and tools at work at once, in all runs.
    """

    calls_per_day: int | None = None
    tokens_per_day: int | None = None
    cost_usd_micros_per_day: int | None = None
    runs_per_day: int | None = None
    runs_per_minute: int | None = None
    concurrent_runs: int | None = None
    parallel_nodes: int | None = None

    def over(self, default: Quota) -> Quota:
        """This quota where it says something, else the default."""
        own = {name: getattr(self, name) for name in QUOTAS if getattr(self, name) is not None}
        return replace(default, **own)

    @property
    def forbids_runs(self) -> bool:
        """Whether no run may be started, on any day."""
        return any(getattr(self, name) == 0 for name in QUOTAS)

    @property
    def limits_starts(self) -> bool:
        """Whether it matters how many runs are started."""
        return any(most is not None for most in (self.runs_per_day, self.runs_per_minute, self.concurrent_runs))

    @property
    def day(self) -> Budget:
        """What may be consumed in a day."""
        return Budget(self.calls_per_day, self.tokens_per_day, self.cost_usd_micros_per_day)

    @property
    def nodes(self) -> Budget:
        """What may be at work at once."""
        return Budget(places=self.parallel_nodes)

    def funds(self, uid: Uid) -> tuple[Fund, ...]:
        """What each of the person's runs draws on."""
        funds = (day_fund(uid, self.day), person_fund(uid, self.nodes))
        return tuple(fund for fund in funds if fund.limits.limited)


QUOTAS = tuple(one.name for one in fields(Quota))
"""The names of what a quota limits."""


@dataclass(frozen=True, slots=True)
class Window:
    """How many runs were started in a span of time, and when the next begins; None before the first."""

    limit: int | None = None
    used: int = 0
    resets_at: datetime | None = None

    def at(self, now: datetime, limit: int | None, ends: datetime) -> Window:
        """The window that holds now: this one, or a new one until `ends`."""
        if self.resets_at is None or now >= self.resets_at:
            return Window(limit, 0, ends)
        return replace(self, limit=limit)

    @property
    def is_full(self) -> bool:
        """Whether no more runs may be started in it."""
        return self.limit is not None and self.used >= self.limit

    def seconds_left(self, now: datetime) -> float:
        """Seconds until the next window."""
        return 0.0 if self.resets_at is None else (self.resets_at - now).total_seconds()


@dataclass(frozen=True, slots=True)
class Standing:
    """The document `usage/{uid}`: how many runs somebody has started; counted only where that is limited.

    Args:
        quota: what an administrator has set for this person.
        active_runs: runs that were started and have not ended.
        concurrent_runs: the limit of `active_runs`.
    """

    owner_uid: Uid
    quota: Quota = field(default_factory=Quota)
    runs_per_minute: Window = field(default_factory=Window)
    runs_per_day: Window = field(default_factory=Window)
    active_runs: int = 0
    concurrent_runs: int | None = None

    @property
    def path(self) -> str:
        """Where it is stored."""
        return standing_path(self.owner_uid)

    def at(self, now: datetime, quota: Quota) -> Standing:
        """The standing as of now, under the quota that holds."""
        return replace(
            self,
            runs_per_minute=self.runs_per_minute.at(now, quota.runs_per_minute, now + MINUTE),
            runs_per_day=self.runs_per_day.at(now, quota.runs_per_day, end_of_day(day_of(now))),
            concurrent_runs=quota.concurrent_runs,
        )

    def start(self, now: datetime, quota: Quota) -> Standing:
        """The standing after one more run is started.

        Raises:
            TooManyRuns: they are started too fast, or too many are active.
            QuotaExceeded: the day's are all started.
        """
        known = self.at(now, quota)
        minute, day = known.runs_per_minute, known.runs_per_day
        if day.is_full:
            raise QuotaExceeded(
                f"All of today's {day.limit} runs are started; a new day begins at 00:00 UTC.",
                retry_after_seconds=day.seconds_left(now),
            )
        if minute.is_full:
            raise TooManyRuns(
                f"You start more than {minute.limit} runs in a minute.", retry_after_seconds=minute.seconds_left(now)
            )
        if known.concurrent_runs is not None and known.active_runs >= known.concurrent_runs:
            raise TooManyRuns(
                f"{known.active_runs} of your runs are active, which is the most; wait for one, or cancel it.",
                retry_after_seconds=BUSY_SECONDS,
            )
        return replace(
            known,
            runs_per_minute=replace(minute, used=minute.used + 1),
            runs_per_day=replace(day, used=day.used + 1),
            active_runs=known.active_runs + 1,
        )


def standing_path(uid: Uid) -> str:
    """Where a person's standing is."""
    return f"usage/{uid}"


def count_off(run: Run) -> list[Write]:
    """The writes that count a run that ends off its owner's active ones; none if it was not counted."""
    return [Merge(standing_path(run.owner_uid), {"active_runs": Increment(-1)})] if run.is_counted else []


def parse_quota(text: str) -> Quota:
    """The quota in `calls_per_day=1000, runs_per_minute=60`; what it does not name is not limited.

    Raises:
        ValueError: a name is not one of a quota's, or what it should be is no whole number; or no node may ever work.
    """
    limits: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in QUOTAS or not number.isdecimal():
            raise ValueError(f"not one of {', '.join(QUOTAS)}, and a whole number: {part!r}")
        limits[name] = int(number)
    if limits.get("parallel_nodes") == 0:
        raise ValueError("one with which no run ever ends: parallel_nodes is at least 1")
    return Quota(**limits)
