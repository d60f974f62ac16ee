"""The proof can fail: without any one of the engine's guards, some schedule breaks just what it is there for."""

import pytest

from tests.support.chaos.broken_guards import GUARDS
from tests.support.chaos.broken_guards.guard import Guard
from tests.support.chaos.replays import replay_command
from tests.support.chaos.schedules import play
from tests.support.reports import REPORTS

MOST_SEEDS = 3_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", GUARDS)
def test_the_simulator_notices_a_missing_guard(name: str) -> None:
    guard = GUARDS[name]
    with guard.broken():
        noticed = first_noticed(guard)
    assert noticed is not None, f"in {MOST_SEEDS} schedules without this guard nothing was noticed of {guard.notices}"
    seed, violation = noticed
    command = replay_command(seed, guard.rules, without=name)
    REPORTS.append((f"chaos: without {name} ({guard.promise})", [f"{violation} ({command})"]))
    if guard.rules.sweeper or name != "sweeper":
        assert play(seed, guard.rules).violations == []


def first_noticed(guard: Guard) -> tuple[int, str] | None:
    """The first schedule that breaks the promise of a guard which is taken away, and how it does."""
    for seed in range(MOST_SEEDS):
        violation = guard.noticed(play(seed, guard.rules).violations)
        if violation is not None:
            return seed, violation
    return None
