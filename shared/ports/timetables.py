"""When a cron expression is due, in a time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.domain.errors import Fault


class Timetables(Protocol):
    """Reads cron expressions of five fields, as Debian's cron does, also where clocks change.

    A time of day that a change of clocks skips is due right after the change, and one that comes twice is due once;
    what is due every hour or oftener goes by the time that passes.
    """

    def faults(self, cron: str, time_zone: str) -> tuple[Fault, ...]:
        """What is wrong with the expression or the zone; their paths are `cron` and `time_zone`."""
        ...

    def next_after(self, cron: str, time_zone: str, instant: datetime) -> datetime | None:
        """The first time after `instant`, in UTC; None if there is none in the next decades.

        Raises:
            shared.domain.errors.InvalidArgument: `faults` has some.
        """
        ...
