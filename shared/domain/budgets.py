"""Budgets: what many nodes may consume together, and the ledgers that they draw it from before they consume it.

Whoever is about to consume first adds it to the ledger's `granted`, in one commit that returns the sum; only what the
sum leaves below the limit may be consumed. When the node is given up, the commit that does so takes back what was not
consumed, and adds the rest to what is spent. What nobody drew, because it was not limited, is granted as it is spent.
So `granted - spent` is what running nodes hold, and a limit that is set later counts what was consumed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from shared.domain.costs import dollars
from shared.domain.errors import BudgetExceeded, LimitReached, QuotaExceeded
from shared.domain.ids import AgentId, Instance, RunId, Uid
from shared.domain.usage import Usage
from shared.domain.writes import Increment, Merge

CALLS_AT_ONCE = 8
"""For how many calls like the present one a node draws at once: so most calls write nothing."""
SHARE_AT_ONCE = 16
"""A node draws at most this part of a limit at once, or one call: so few nodes leave nothing to the others."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of everything that is limited.

    Args:
        calls: model requests.
        tokens: in and out.
        cost_usd_micros: millionths of a US dollar.
        places: nodes at work; they are only ever held, never spent.
    """

    calls: int = 0
    tokens: int = 0
    cost_usd_micros: int = 0
    places: int = 0

    @classmethod
    def of(cls, usage: Usage) -> Amount:
        """What was consumed; a cost that is not known counts as nothing."""
        return cls(usage.requests, usage.input_tokens + usage.output_tokens, usage.cost_usd_micros or 0)

    def __add__(self, other: Amount) -> Amount:
        """The sum."""
        return Amount(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.cost_usd_micros + other.cost_usd_micros,
            self.places + other.places,
        )

    def __sub__(self, other: Amount) -> Amount:
        """The difference."""
        return Amount(
            self.calls - other.calls,
            self.tokens - other.tokens,
            self.cost_usd_micros - other.cost_usd_micros,
            self.places - other.places,
        )

    def __getitem__(self, name: str) -> int:
        """One of the numbers."""
        number: int = getattr(self, name)
        return number


NOTHING = Amount()
NAMES = tuple(one.name for one in fields(Amount))
"""The names of what is limited."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most of everything; None does not limit."""

    calls: int | None = None
    tokens: int | None = None
    cost_usd_micros: int | None = None
    places: int | None = None

    def limit(self, name: str) -> int | None:
        """One of the limits."""
        most: int | None = getattr(self, name)
        return most

    @property
    def limited(self) -> tuple[str, ...]:
        """The names of what is limited."""
        return _limited(self)

    def within(self, other: Budget) -> Budget:
        """The tighter of each two limits."""
        pairs = ([most for most in (self.limit(name), other.limit(name)) if most is not None] for name in NAMES)
        return Budget(*(min(pair, default=None) for pair in pairs))


@lru_cache
def _limited(budget: Budget) -> tuple[str, ...]:
    return tuple(name for name in NAMES if budget.limit(name) is not None)


class FundKind(StrEnum):
    """Whose budget it is."""

    RUN = "run"
    PART = "part"  # of a kept agent that is a part of a run
    DAY = "day"  # a person's, for a day (UTC)
    GRANT = "grant"  # of everybody who uses a grant, for a day (UTC)
    PERSON = "person"  # a person's, at any time


@dataclass(frozen=True, slots=True)
class Fund:
    """A budget that a run draws on.

    Args:
        ledger: where it is kept: a document's path, or of a budget for each day the collection of its days.
        owner_uid: who may read the ledger.
    """

    kind: FundKind
    ledger: str
    owner_uid: Uid
    limits: Budget

    @property
    def is_daily(self) -> bool:
        """Whether there is a ledger for each day."""
        return self.kind in {FundKind.DAY, FundKind.GRANT}

    def path(self, day: str) -> str:
        """The ledger that is drawn on, by a node that began on `day`."""
        return f"{self.ledger}/{day}" if self.is_daily else self.ledger

    def draw(self, day: str, chunk: Amount) -> Merge:
        """The write that draws a chunk; its sums say what is granted and spent in all."""
        granted = {f"granted_{name}": Increment(chunk[name]) for name in self.limits.limited}
        return Merge(self.path(day), {**self._facts(day), **granted, **_spent(NOTHING)})

    def close(self, day: str, granted: Amount, used: Amount) -> Merge:
        """The write that returns what was granted and not used, and counts what was as spent."""
        left = {f"granted_{name}": Increment(used[name] - granted[name]) for name in self.limits.limited}
        return Merge(self.path(day), {**self._facts(day), **_spent(used), **_granted(used), **left})

    def usable(self, sums: Mapping[str, Any], chunk: Amount) -> dict[str, int]:
        """How much of a chunk stays below each limit, given the ledger after it was drawn."""
        over = {name: sums[f"granted_{name}"] - (self.limits.limit(name) or 0) for name in self.limits.limited}
        return {name: max(chunk[name] - max(excess, 0), 0) for name, excess in over.items()}

    def check(self, sums: Mapping[str, Any], needed: Amount) -> None:
        """Refuse what would cross a limit whatever the other nodes give back; `needed` is beyond what is spent.

        Raises:
            LimitReached: it would.
        """
        for name in self.limits.limited:
            most, spent = self.limits.limit(name) or 0, sums.get(name, 0)
            if spent + needed[name] > most:
                raise self._refusal(name, most, spent)

    def _refusal(self, name: str, most: int, spent: int) -> LimitReached:
        what = f"{_told(name, most)}, of which {_told(name, spent)} are used"
        if self.kind is FundKind.RUN:
            return BudgetExceeded(f"The next step would cross the run's budget of {what}.")
        if self.kind is FundKind.PART:
            instance = self.ledger.rpartition("/")[2]
            return BudgetExceeded(f"The next step would cross the budget of {what}, of the agent that is {instance}.")
        whose = "that the grant allows" if self.kind is FundKind.GRANT else "of your quota"
        return QuotaExceeded(f"The next step would cross the day's {what}, {whose}; a new day begins at 00:00 UTC.")

    def _facts(self, day: str) -> dict[str, Any]:
        facts: dict[str, Any] = {"owner_uid": self.owner_uid}
        facts |= {f"limit_{name}": self.limits.limit(name) for name in self.limits.limited}
        return {**facts, "day": day, "resets_at": end_of_day(day)} if self.is_daily else facts


@dataclass(frozen=True, slots=True)
class Held:
    """What a node has drawn and not accounted for: with its process it is lost, and counts as spent.

    Args:
        day: on whose ledgers it was drawn.
    """

    day: str
    amount: Amount = NOTHING


def chunk(funds: Iterable[Fund], needed: Amount, left: Amount) -> Amount:
    """How much to draw so that `needed` is there, and that of the next calls too, where `left` is there already."""
    most = tightest(funds)
    return Amount(*(_chunk(name, most.limit(name), needed[name], left[name]) for name in NAMES))


def _chunk(name: str, limit: int | None, needed: int, left: int) -> int:
    if limit is None or needed == 0:
        return 0
    wanted = needed if name == "places" else max(needed, min(needed * CALLS_AT_ONCE, limit // SHARE_AT_ONCE))
    return max(wanted - left, 0)


def tightest(funds: Iterable[Fund]) -> Budget:
    """The least of all limits."""
    return _tightest(tuple(fund.limits for fund in funds))


@lru_cache
def _tightest(limits: tuple[Budget, ...]) -> Budget:
    most = Budget()
    for limit in limits:
        most = most.within(limit)
    return most


def day_of(now: datetime) -> str:
    """The day (UTC) of an instant: 2026-11-21."""
    return now.astimezone(UTC).date().isoformat()


def end_of_day(day: str) -> datetime:
    """When a day is over."""
    return datetime.combine(datetime.fromisoformat(day), time(), UTC) + timedelta(days=1)


def run_fund(run_id: RunId, owner: Uid, limits: Budget) -> Fund:
    """A run's own budget."""
    return Fund(FundKind.RUN, f"runs/{run_id}/ledgers/budget", owner, limits)


def part_fund(run_id: RunId, part: Instance, owner: Uid, limits: Budget) -> Fund:
    """The budget that a kept agent brings, where it is a part of a run."""
    return Fund(FundKind.PART, f"runs/{run_id}/ledgers/{part}", owner, limits)


def own_budget(funds: Iterable[Fund]) -> Budget:
    """The budget that a run has for itself."""
    return next((fund.limits for fund in funds if fund.kind is FundKind.RUN), Budget())


def day_fund(uid: Uid, limits: Budget) -> Fund:
    """What a person may consume in a day."""
    return Fund(FundKind.DAY, days_path(uid), uid, limits)


def person_fund(uid: Uid, limits: Budget) -> Fund:
    """What a person may hold at any time."""
    return Fund(FundKind.PERSON, f"usage/{uid}/ledgers/now", uid, limits)


def grant_fund(agent_id: AgentId, grantee: Uid, owner: Uid, limits: Budget) -> Fund:
    """What everybody who uses a grant may consume together in a day; the agent's owner may read it."""
    return Fund(FundKind.GRANT, f"agents/{agent_id}/grants/{grantee}/days", owner, limits)


def days_path(uid: Uid) -> str:
    """Where the days of a person are."""
    return f"usage/{uid}/days"


def count_run(uid: Uid, now: datetime, used: Usage, *, metered: bool) -> Merge:
    """The write that counts a run that ends, and what it consumed unless its nodes have counted that themselves."""
    day = day_of(now)
    consumed = NOTHING if metered else Amount.of(used)
    facts = {"owner_uid": uid, "day": day, "resets_at": end_of_day(day)}
    counted = {**_spent(consumed), **_granted(consumed)}
    return Merge(f"{days_path(uid)}/{day}", {**facts, **counted, "runs": Increment(1)})


def _spent(used: Amount) -> dict[str, Increment]:
    return {name: Increment(used[name]) for name in NAMES if name != "places"}


def _granted(used: Amount) -> dict[str, Increment]:
    return {f"granted_{name}": amount for name, amount in _spent(used).items()}


def _told(name: str, number: int) -> str:
    if name == "cost_usd_micros":
        return dollars(number)
    return f"{number} {'model calls' if name == 'calls' else name}"
