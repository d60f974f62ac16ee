"""The proof can fail: without any one of the engine's guards, some schedule breaks a promise."""

import pytest

from tests.support.chaos.broken_guards import GUARDS
from tests.support.chaos.campaign import play_until_broken
from tests.support.chaos.schedules import play
from tests.support.reports import REPORTS

MOST_SEEDS = 3_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", GUARDS)
def test_the_simulator_notices_a_missing_guard(name: str) -> None:
    guard = GUARDS[name]
    with guard.broken():
        broken = play_until_broken(range(MOST_SEEDS), guard.rules)
    assert broken is not None, f"{MOST_SEEDS} schedules without this guard broke nothing"
    REPORTS.append((f"chaos: without {name} ({guard.promise})", [str(broken)]))
    if guard.rules.sweeper or name != "sweeper":
        assert play(broken.job.seed, guard.rules).violations == []
