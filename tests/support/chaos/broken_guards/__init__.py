"""The engine without one of its guards each, to see that the simulator notices: only tests ever run it so."""

from __future__ import annotations

from tests.support.chaos.broken_guards.budgets import BUDGETS
from tests.support.chaos.broken_guards.forks import FORKS
from tests.support.chaos.broken_guards.holders import HOLDERS
from tests.support.chaos.broken_guards.journals import JOURNALS
from tests.support.chaos.broken_guards.repeats import REPEATS
from tests.support.chaos.broken_guards.sessions import SESSIONS
from tests.support.chaos.broken_guards.stops import STOPS
from tests.support.chaos.broken_guards.wake_ups import WAKE_UPS

GUARDS = HOLDERS | JOURNALS | WAKE_UPS | STOPS | SESSIONS | BUDGETS | REPEATS | FORKS
"""By what is taken away."""
