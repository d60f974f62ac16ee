"""`Timetables` by cronsim, and the system's time zones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.schedules import MAX_CRON_CHARACTERS

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_FIELDS = 5
_EXAMPLES = "use five fields: minute, hour, day of month, month, day of week, such as `0 9 * * MON-FRI`"


_OF_THE_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
"""Names that a database has, and that mean something else, or nothing, on the next machine."""
_VARIANTS = ("posix/", "right/")


class CronTimetables:
    """The library is loaded with the first expression."""

    def faults(self, cron: str, time_zone: str) -> tuple[Fault, ...]:
        """What is wrong with the expression or the zone."""
        found: list[Fault] = []
        if _zone(time_zone) is None:
            found.append(Fault("time_zone", "is no IANA time zone, such as Europe/Berlin or UTC"))
        if (reason := _cron_fault(cron)) is not None:
            found.append(Fault("cron", reason))
        return tuple(found)

    def next_after(self, cron: str, time_zone: str, instant: datetime) -> datetime | None:
        """The first time after `instant`, in UTC."""
        from cronsim import CronSim, CronSimError

        zone = _zone(time_zone)
        if zone is None:
            raise InvalidArgument(f"{time_zone[:80]!r} is no time zone")
        try:
            # An hour that comes twice begins again: what lies behind was due the first time.
            for due in CronSim(cron, instant.astimezone(zone)):
                if (at := due.astimezone(UTC)) > instant:
                    return at
        except CronSimError as error:
            raise InvalidArgument(f"{cron[:MAX_CRON_CHARACTERS]!r} is no cron expression") from error
        return None


def _zone(name: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo

    if name in _OF_THE_MACHINE or name.startswith(_VARIANTS):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, not a name, or a folder of the database
        return None


def _cron_fault(cron: str) -> str | None:
    from cronsim import CronSim, CronSimError

    if len(cron) > MAX_CRON_CHARACTERS:
        return f"is longer than {MAX_CRON_CHARACTERS} characters"
    if len(cron.split()) != _FIELDS:
        return f"does not have five fields; {_EXAMPLES}"
    try:
        due = next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        return f"{str(error)[:1].lower()}{str(error)[1:]}; {_EXAMPLES}"
    return None if due else "is never due"
