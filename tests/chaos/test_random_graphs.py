"""Random graphs, people and faults, drawn by hypothesis: it makes what breaks a promise as small as it can."""

import pytest
from hypothesis import HealthCheck, given, note, settings

from tests.support.chaos.drawn_schedules import DrawnSchedule, drawn_schedules
from tests.support.chaos.rules import QUEUE_ALONE

EXAMPLES = 300
REPEATABLE = settings(
    max_examples=EXAMPLES,
    derandomize=True,  # the same examples each time; one that fails is printed, not kept in a database
    database=None,
    deadline=None,  # schedules differ in length, and machines in speed
    # A graph takes many draws, and a schedule more than the usual milliseconds.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    print_blob=True,
)


@pytest.mark.timeout(600)
@REPEATABLE
@given(drawn_schedules())
def test_whatever_fails_every_promise_holds(schedule: DrawnSchedule) -> None:
    check(schedule)


@pytest.mark.timeout(600)
@REPEATABLE
@given(drawn_schedules(QUEUE_ALONE))
def test_what_workers_lose_the_queue_repairs_without_the_sweeper(schedule: DrawnSchedule) -> None:
    check(schedule)


def check(schedule: DrawnSchedule) -> None:
    """Tell all of a schedule that breaks a promise: hypothesis prints the notes of the smallest one."""
    violations = schedule.play().violations
    if violations:
        note("\n".join(schedule.told()))
    assert violations == []
