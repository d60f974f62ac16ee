"""When cron expressions are due, above all where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.adapters.cron.timetables import CronTimetables
from shared.domain.errors import InvalidArgument

TABLES = CronTimetables()


def due(cron: str, zone: str, after: str, count: int) -> list[str]:
    """The next times in UTC, as `day hour:minute`."""
    at = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found: list[str] = []
    for _ in range(count):
        following = TABLES.next_after(cron, zone, at)
        assert following is not None
        assert following > at
        assert following.tzinfo is UTC
        at = following
        found.append(at.strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 9 * * MON-FRI", "UTC", "2026-01-02T09:00", ["05 09:00", "06 09:00"]),
        ("*/15 8-9 * * *", "UTC", "2026-01-02T08:31", ["02 08:45", "02 09:00"]),
        ("0 0 1 * *", "Asia/Kolkata", "2026-01-02T00:00", ["31 18:30", "28 18:30"]),
        # New York goes to summer time on 8 March: nine o'clock stays nine o'clock.
        ("0 9 * * *", "America/New_York", "2026-03-07T00:00", ["07 14:00", "08 13:00"]),
        # Berlin's clocks skip 02:00 to 03:00 on 29 March: what falls into it is due right after.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", ["28 01:30", "29 01:00", "30 00:30"]),
        # They show 02:00 to 03:00 twice on 25 October: what falls into it is due once.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T02:00", ["25 00:30", "26 01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["26 01:30", "27 01:30"]),
        # What is due every hour or oftener goes by the time that passes.
        ("0 * * * *", "Europe/Berlin", "2026-03-28T23:30", ["29 00:00", "29 01:00", "29 02:00"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
    ],
)
def test_the_next_times(cron: str, zone: str, after: str, expected: list[str]) -> None:
    assert due(cron, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("cron", "zone", "paths"),
    [
        ("0 9 * * *", "Europe/Berlin", []),
        ("0 9 * * *", "Europe/Nowhere", ["time_zone"]),
        ("0 9 * * *", "America", ["time_zone"]),
        ("0 9 * * *", "../etc/passwd", ["time_zone"]),
        ("0 9 * * *", "", ["time_zone"]),
        ("0 9 * * *", "localtime", ["time_zone"]),
        ("0 9 * * *", "right/UTC", ["time_zone"]),
        ("0 25 * * *", "UTC", ["cron"]),
        ("* * * * * *", "UTC", ["cron"]),
        ("@daily", "UTC", ["cron"]),
        ("0 0 31 2 *", "UTC", ["cron"]),
        ("0," * 200 + "0 9 * * *", "UTC", ["cron"]),
        ("nonsense", "nowhere", ["time_zone", "cron"]),
    ],
)
def test_everything_that_is_wrong_is_told(cron: str, zone: str, paths: list[str]) -> None:
    assert [fault.path for fault in TABLES.faults(cron, zone)] == paths


@pytest.mark.parametrize(("cron", "zone"), [("0 25 * * *", "UTC"), ("0 9 * * *", "Europe/Nowhere")])
def test_what_is_wrong_has_no_next_time(cron: str, zone: str) -> None:
    with pytest.raises(InvalidArgument):
        TABLES.next_after(cron, zone, datetime(2026, 1, 1, tzinfo=UTC))
