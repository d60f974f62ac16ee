"""Under which rules schedules are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.chaos.faults import EVERY, Fault, Single
from tests.support.chaos.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Rules:
    """What may happen in a schedule.

    Args:
        kinds: the faults that may be met.
        sweeper: whether the scheduler calls the sweeper.
        only_workers: whether only workers meet faults, and people and the sweeper do not.
        scenario: this scenario instead of one drawn.
        single: exactly this fault instead of random ones; none at all if it is `Single.none()`.
    """

    kinds: frozenset[Fault] = EVERY
    sweeper: bool = True
    only_workers: bool = False
    scenario: Scenario | None = None
    single: Single | None = None


EVERYTHING = Rules()
"""Whatever can go wrong."""
QUEUE_ALONE = Rules(kinds=EVERY - {Fault.LOST, Fault.LATE}, sweeper=False, only_workers=True)
"""What the queue's repetitions alone must repair: workers fail in every way, no task is lost, nobody sweeps.

Nor is a commit applied after it was given up: a claim that was undone since would stay for the sweeper to find.
"""
FAMILIES = {"everything": EVERYTHING, "queue_alone": QUEUE_ALONE}
