"""A purse: what a node and its delegates may still consume of the budgets that they share with other nodes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.domain.budgets import NAMES, NOTHING, Amount, Fund, Held, chunk, day_of, tightest
from shared.domain.errors import DomainError, FailedPrecondition, LimitReached, ModelUnavailable
from shared.domain.records import parse, render
from shared.domain.usage import Usage
from shared.domain.writes import Update, Write
from shared.ports.agent_runner import Forecast
from shared.ports.documents import Committed, Snapshot
from shared.usecases.nodes.attempt import Attempt, YieldRequested
from shared.usecases.nodes.engine import Core

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=30)


def pause_after(attempt: int) -> timedelta:
    """How long a node stays away that could not go on in its nth attempt: longer from time to time."""
    return min(_FIRST_PAUSE * 2 ** min(attempt, 5), _LONGEST_PAUSE)


class BudgetHeld(YieldRequested):
    """Other nodes hold what is left of a budget; the node is to come again when they may have given some back."""


@dataclass(slots=True)
class _Call:
    """A model call under way: what was reserved for it, and whether the model has begun to answer."""

    reserved: Amount
    answers: bool = False


@dataclass(slots=True)
class Purse:
    """Draws on the funds of a run for one attempt at a node, and accounts for it when the node is given up.

    What is drawn stands in the node's document, written only as it was last seen: so a commit that arrives late does
    not draw twice, and whoever takes the node over knows what may have been consumed unrecorded. That counts as spent.

    Args:
        funds: what is drawn on; a purse without funds allows everything and writes nothing.
        seen: when the node's document was last written, if that is known.
        held: what the attempts before this one have drawn and not accounted for.
    """

    core: Core
    attempt: Attempt
    funds: tuple[Fund, ...] = ()
    seen: datetime | None = None
    held: Held | None = None
    _granted: Amount = field(init=False)
    _used: Amount = field(init=False)
    _usable: Amount = field(init=False)
    _day: str = field(init=False)
    _calls: dict[object, _Call] = field(default_factory=dict[object, _Call])
    _unsure: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _returned: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Count as spent whatever is held from before."""
        lost = self.held.amount if self.held is not None else NOTHING
        self._granted, self._used = lost, lost - Amount(places=lost.places)
        self._usable = lost
        self._day = self.held.day if self.held is not None else day_of(self.core.clock.now())

    @property
    def is_metered(self) -> bool:
        """Whether model calls are limited in anything."""
        return bool(self.funds)

    async def enter(self) -> None:
        """Take a place among the nodes at work, where they are limited.

        Raises:
            BudgetHeld: there is none.
        """
        if any(fund.limits.places is not None for fund in self.funds):
            await self._afford(Amount(places=1))

    async def reserve(self, caller: object, forecast: Forecast) -> int | None:
        """Set aside what a model call may consume, before it is made.

        Where a whole answer would cross a limit, a shorter one may not.

        Args:
            caller: whose call it is; each makes one at a time.
            forecast: the most that it consumes.

        Returns:
            How many tokens the answer may have; None if nothing limits it.

        Raises:
            LimitReached: it would cross a limit.
            FailedPrecondition: cost is limited, and the call's is not known.
            BudgetHeld: it may cross a limit, if other nodes consume what they hold.
        """
        if not self.funds:
            return None
        self.drop(caller)
        if forecast.input_cost_usd_micros is None and tightest(self.funds).cost_usd_micros is not None:
            raise FailedPrecondition("Cost is limited, and the price of the model is not known.")
        longest = forecast.output_tokens
        while True:
            needed = _needed(forecast, longest)
            try:
                await self._afford(needed)
            except LimitReached:
                longest //= 2
                if longest < max(forecast.least_output_tokens, 1):
                    raise
                continue
            self._calls[caller] = _Call(needed)
            return longest or None

    def note_answer(self, caller: object) -> None:
        """Take note that the model has begun to answer: from then on a call that fails has its price."""
        if (call := self._calls.get(caller)) is not None:
            call.answers = True

    def settle(self, caller: object, usage: Usage) -> None:
        """Count what a call has consumed, in place of what was reserved for it."""
        call = self._calls.pop(caller, None)
        if call is None:
            return
        used = Amount.of(usage)
        if usage.cost_usd_micros is None:
            used += Amount(cost_usd_micros=call.reserved.cost_usd_micros)
        self._charge(used)

    def drop_failed(self, error: DomainError) -> None:
        """Count a call that the model failed before it said anything as a call, and no more.

        Where anything else stops calls, their models may answer all the same, and have their price.
        """
        if isinstance(error, ModelUnavailable) and len(self._calls) == 1:
            self.drop(next(iter(self._calls)))

    async def closing(self, fields: Mapping[str, Any]) -> list[Write]:
        """The writes that give the node up with these fields, and account for what it has drawn.

        Calls under way count in full. Made anew for each try at the commit, as a draw that was broken off may still
        be applied.
        """
        seen = await self._read_held() if self._unsure else None
        closes = self.closes()
        return [Update(self.attempt.path, {**fields, "held": None} if closes else fields, seen), *closes]

    def closes(self) -> list[Write]:
        """The writes that account for what was drawn; none if nothing was."""
        used = sum((call.reserved for call in self._calls.values()), self._used)
        if self._granted == NOTHING == used:
            return []
        return [fund.close(self._day, self._granted, used) for fund in self.funds]

    def drop(self, caller: object) -> None:
        """Count a call that has come to nothing."""
        call = self._calls.pop(caller, None)
        if call is not None:
            self._charge(call.reserved if call.answers else Amount(calls=1))

    def _charge(self, used: Amount) -> None:
        self._used += used
        self._returned.set()

    async def _afford(self, needed: Amount) -> None:
        """Draw until there is as much as is needed; calls of delegates that are under way may leave some."""
        while True:
            async with self._turn:
                if self._is_there(needed) or await self._draw(needed):
                    return
                if not self._calls:
                    raise BudgetHeld(pause_after(self.attempt.number))
                self._returned.clear()
            await self._returned.wait()

    def _left(self) -> Amount:
        return sum((NOTHING - call.reserved for call in self._calls.values()), self._usable - self._used)

    def _is_there(self, needed: Amount) -> bool:
        left, limited = self._left(), tightest(self.funds).limited
        return all(left[name] >= needed[name] for name in limited if needed[name])

    async def _draw(self, needed: Amount) -> bool:
        """Draw a chunk; whether there is enough then.

        Raises:
            LimitReached: there never will be. Of a day that is over that is not said: the next attempt has another.
        """
        more = chunk(self.funds, needed, self._left())
        ledgers = await self._commit(more)
        usable = {name: more[name] for name in NAMES}
        for fund, ledger in zip(self.funds, ledgers, strict=True):
            usable |= {name: min(usable[name], most) for name, most in fund.usable(ledger, more).items()}
        self._usable += Amount(**usable)
        if self._is_there(needed):
            return True
        is_over = self._day != day_of(self.core.clock.now())
        for fund, ledger in zip(self.funds, ledgers, strict=True):
            if not (fund.is_daily and is_over):
                fund.check(ledger, self._used + needed)
        return False

    async def _commit(self, more: Amount) -> Sequence[Mapping[str, Any]]:
        """Draw from all ledgers at once; what they say then, or later: that is as safe."""
        seen, self.seen = self.seen, None
        if seen is None:
            seen = await self._read_held()
        held = render(Held(self._day, self._granted + more))
        draws = [fund.draw(self._day, more) for fund in self.funds]
        writes: list[Write] = [Update(self.attempt.path, {"held": held}, seen), *draws]

        async def make() -> Sequence[Write]:
            return writes

        async def applied(node: Snapshot) -> bool:
            return node.fields is not None and node.fields["held"] == held

        self._unsure = True
        committed: Committed | None = await self.attempt.commit(make, applied)
        self._unsure = False
        self._granted += more
        if committed is not None:
            return committed.sums[1:]
        return [found.fields or {} for found in await self.core.documents.get_many([draw.path for draw in draws])]

    async def _read_held(self) -> datetime | None:
        """Learn what was drawn as of now; when the node was last written."""
        node = await self.core.documents.get(self.attempt.path)
        held = (node.fields or {}).get("held")
        self._granted = NOTHING if held is None else parse(Held, held).amount
        return node.update_time


def _needed(forecast: Forecast, longest: int) -> Amount:
    """What a call with an answer of so many tokens consumes."""
    cost = (forecast.input_cost_usd_micros or 0) + math.ceil(longest * forecast.output_usd_micros_per_token)
    return Amount(1, forecast.input_tokens + longest, cost)
