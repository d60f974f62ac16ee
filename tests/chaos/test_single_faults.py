"""One fault, and no other, at every effect of some schedules: before it, after it, or in its place."""

import pytest

from tests.support.chaos.campaign import Job, play_everywhere
from tests.support.chaos.faults import POSSIBLE, Single
from tests.support.chaos.handmade import DELEGATION, GRAPH, SINGLE
from tests.support.chaos.rules import Rules
from tests.support.chaos.scenario import Cancel, Message, Retry, Scenario
from tests.support.chaos.schedules import play
from tests.support.reports import REPORTS

SEED = 1
"""What is not a fault, such as how long a call takes, is drawn from it."""


def said(at: float = 0.0, text: str = "m0", **more: object) -> Message:
    fields = {"chat": False, "session": True, "if_busy": "enqueue", "has_key": True, **more}
    return Message(at=at, text=text, **fields)  # type: ignore[arg-type] # the fields of a message


SCENARIOS = {
    "a graph": Scenario(GRAPH, 2, 50, 2, (said(),)),
    "a graph that counts in shards": Scenario(GRAPH, 2, 1, 2, (said(),)),
    "a cancelled graph": Scenario(GRAPH, 2, 50, 2, (said(), Cancel(1.2, "m0"))),
    "a cancelled graph that is retried": Scenario(
        GRAPH, 2, 50, 2, (said(), Cancel(1.2, "m0"), Retry(2.0, "m0", "reject", times=1))
    ),
    "a single agent": Scenario(SINGLE, 0, 50, 2, (said(),)),
    "a chat whose client leaves": Scenario(SINGLE, 0, 50, 2, (said(chat=True, leaves_after=0.5),)),
    "a delegation": Scenario(DELEGATION, 0, 50, 2, (said(),)),
    "a cancelled delegation": Scenario(DELEGATION, 0, 50, 2, (said(), Cancel(1.5, "m0"))),
    "an interrupted chat": Scenario(
        SINGLE, 0, 50, 2, (said(chat=True), said(1.0, "m1", if_busy="interrupt"), said(1.5, "m2", chat=True))
    ),
}


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
