"""One fault, and no other, at every effect of some schedules: before it, after it, or in its place."""

import pytest

from tests.support.chaos.campaign import Job, play_everywhere
from tests.support.chaos.faults import POSSIBLE, Single
from tests.support.chaos.handmade_scenarios import SCENARIOS
from tests.support.chaos.rules import Rules
from tests.support.chaos.schedules import play
from tests.support.reports import REPORTS

SEED = 1
"""What is not a fault, such as how long a call takes, is drawn from it."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_effect_alone(name: str) -> None:
    scenario = SCENARIOS[name]
    sound = play(SEED, Rules(scenario=scenario, single=Single.none()))
    assert sound.violations == []
    jobs = [
        Job(SEED, Rules(scenario=scenario, single=Single(effect, number, fault)))
        for effect, count in sound.met.items()
        for number in range(count)
        for fault in POSSIBLE[effect]
    ]
    tally = play_everywhere(jobs)
    REPORTS.append((f"chaos: one fault in {name}: seed {SEED}", tally.lines()))
    assert tally.broken == []
    assert tally.done.total() == len(jobs)
