"""Which deployable answers which path.

The local gateway, the merged API document and the hosting rewrites are made from this one table.
Rows are tried in order. ``worker``, ``sweeper`` and ``events`` have none: the queues, the scheduler and the
subscription call them directly, and so does Identity Platform the hooks of ``auth``.
"""

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table.

    Attributes:
        path: A path, where ``{name}`` is one segment and a last ``**`` is any rest, also none.
        deployable: The folder in ``functions``.
    """

    path: str
    deployable: str


ROUTES = (
    Route("/auth/**", "auth"),
    Route("/users/{user_id}/agents", "agents"),
    Route("/users/**", "auth"),
    Route("/agents/{agent_id}/execute", "runs"),
    Route("/agents/**", "agents"),
    Route("/templates/**", "agents"),
    Route("/tools/**", "agents"),
    Route("/models/**", "agents"),
    Route("/secrets/**", "agents"),
    Route("/knowledge/**", "agents"),
    Route("/sessions/{session_id}/messages", "chat"),
    Route("/sessions/{session_id}/events", "chat"),
    Route("/sessions/**", "runs"),
    Route("/runs/**", "runs"),
    Route("/workflows/**", "runs"),
    Route("/approvals/**", "runs"),
    Route("/schedules/**", "runs"),
    Route("/webhooks/**", "runs"),
    Route("/dead-letters/**", "runs"),
)

UNROUTED = frozenset({"worker", "sweeper", "events"})
"""Deployables that nobody outside may call."""


def find_deployable(path: str) -> str | None:
    """The deployable that answers a path, or None where no row matches."""
    return next((row.deployable for row in ROUTES if _pattern(row.path).fullmatch(path)), None)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    rest = path.endswith("/**")
    segments = path.removesuffix("/**").strip("/").split("/")
    parts = ("[^/]+" if segment.startswith("{") else re.escape(segment) for segment in segments)
    return re.compile("/" + "/".join(parts) + ("(/.*)?" if rest else "/?"))
