"""Random schedules: processes die, freeze and are shut down, messages are lost, late and doubled."""

import pytest

from tests.support.chaos.campaign import Job, play_everywhere
from tests.support.chaos.faults import POSSIBLE
from tests.support.chaos.rules import EVERYTHING, QUEUE_ALONE, Rules
from tests.support.reports import REPORTS

SUITES = {
    "whatever fails, every promise holds": (EVERYTHING, range(24_000)),
    "what workers lose, the queue repairs without the sweeper": (QUEUE_ALONE, range(5_000)),
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SUITES)
def test_in_every_schedule(name: str) -> None:
    rules, seeds = SUITES[name]
    tally = play_everywhere([Job(seed, rules) for seed in seeds])
    REPORTS.append((f"chaos: {name}: seeds {seeds.start} to {seeds.stop - 1}", tally.lines()))
    assert tally.schedules == len(seeds)
    assert tally.broken == []
    assert set(tally.done) == expected(rules)


def expected(rules: Rules) -> set[tuple[str, str]]:
    """Every fault that must have been met at least once."""
    return {(effect, fault) for effect, faults in POSSIBLE.items() for fault in faults if fault in rules.kinds}
