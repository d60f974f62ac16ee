"""Guards of budgets: nothing is exceeded, nothing is lost, and what is left can be used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.budgets import Amount, Fund
from shared.domain.writes import Update
from shared.usecases.nodes import purse
from shared.usecases.nodes.node_context import Target
from shared.usecases.nodes.purse import Purse
from tests.support.chaos.broken_guards.guard import ALONE, Guard, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import CROWD, METERED
from tests.support.chaos.rules import Rules

_check = Fund.check
_open = Purse.__post_init__


def _all_of_it(self: Fund, sums: Any, chunk: Amount) -> dict[str, int]:
    del sums
    return {name: chunk[name] for name in self.limits.limited}


def _half_of_it(self: Fund, sums: Any, needed: Amount) -> None:
    halves = {name: (self.limits.limit(name) or 0) // 2 for name in self.limits.limited if name != "places"}
    _check(replace(self, limits=replace(self.limits, **halves)), sums, needed)


def _regardless(path: str, fields: Any, seen: Any = None) -> Update:
    del seen
    return Update(path, fields)


def _forgetful(self: Purse) -> None:
    self.held = None
    _open(self)


def _run_funds(target: Target) -> tuple[Fund, ...]:
    return target.run.funds


DRAWS_LATE = Rules(kinds=frozenset({Fault.LATE}), only_workers=True, scenario=replace(ALONE, definition=METERED))
"""A draw on a budget is given up and made again, and arrives after all, while its node is still at work."""
HELD = Rules(kinds=frozenset(), scenario=replace(ALONE, definition=CROWD, workers=3))
"""Nodes hold what is left of a budget, and give it back."""
BUDGETS = {
    "only what is left is used": Guard(
        "no budget is exceeded", replaced(Fund, usable=_all_of_it), r"^\d+ calls cross the \w+ budget of "
    ),
    "drawn also on what parts bring": Guard(
        "no budget is exceeded", replaced(Target, funds=property(_run_funds)), r"^\d+ calls cross the part budget of "
    ),
    "refused only at the limit": Guard(
        "a budget can be used", replaced(Fund, check=_half_of_it), r": failed with .*'budget_exceeded'", HELD
    ),
    "nothing drawn unseen": Guard(
        "nothing of a budget is lost",
        replaced(purse, Update=_regardless),
        r" are granted, and \d+ are spent$",
        DRAWS_LATE,
    ),
    "what was drawn is taken over": Guard(
        "what is held comes back", replaced(Purse, __post_init__=_forgetful), r" are granted, and \d+ are spent$"
    ),
}
