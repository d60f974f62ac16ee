"""The tool `current_time`."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.suggestions import closest
from shared.domain.tool_arguments import CurrentTimeArguments


async def current_time(arguments: CurrentTimeArguments, workspace: Workspace) -> dict[str, Any]:
    """The present instant, as clocks in the time zone show it."""
    there = workspace.clock.now().astimezone(_zone(arguments.time_zone))
    return {
        "time": there.isoformat(timespec="seconds"),
        "time_zone": arguments.time_zone,
        "weekday": there.strftime("%A"),
        "utc": there.astimezone(UTC).isoformat(timespec="seconds"),
        "unix_seconds": int(there.timestamp()),
    }


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, available_timezones

    known = available_timezones()
    if name not in known:
        like = closest(name, {zone.lower(): zone for zone in known})
        found = next((zone for zone in known if zone.lower() == like), None)
        reason = "is not an IANA time zone"
        raise InvalidArgument(
            f"{name!a} {reason}. {f'Did you mean {found}?' if found else 'Such as Europe/Berlin.'}",
            (Fault("time_zone", reason, found),),
        )
    return ZoneInfo(name)
