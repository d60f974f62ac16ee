"""Models that their makers have retired or will, each with the one that comes nearest today.

Whether a provider has a model is the provider's to say, and new ones come every month; so a name that is not known here
is no fault, and one that is retired is a warning: definitions that name it stay readable, and run once they name
another.

Sources, read 2026-11-20: https://ai.google.dev/gemini-api/docs/deprecations
https://platform.claude.com/docs/en/about-claude/model-deprecations
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retirement:
    """That a model goes.

    Args:
        day: the last day on which its maker promises an answer, as year-month-day.
        nearest: the model that comes nearest today.
    """

    day: str
    nearest: str


_FLASH, _LITE = "gemini-3.8-flash", "gemini-3.5-flash-lite"
_OPUS, _SONNET, _HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"

RETIRED = {
    "gemini-pro": Retirement("2025-04-09", _FLASH),
    "gemini-1.0-pro": Retirement("2025-04-09", _FLASH),
    "gemini-1.0-pro-vision": Retirement("2025-04-09", _FLASH),
    "gemini-1.5-pro": Retirement("2025-09-24", _FLASH),
    "gemini-1.5-flash": Retirement("2025-09-24", _FLASH),
    "gemini-1.5-flash-8b": Retirement("2025-09-24", _LITE),
    "gemini-2.0-flash": Retirement("2026-06-01", _FLASH),
    "gemini-2.0-flash-lite": Retirement("2026-06-01", _LITE),
    "gemini-2.5-pro": Retirement("2026-12-01", _FLASH),
    "gemini-2.5-flash": Retirement("2026-12-01", _LITE),
    "gemini-3-pro-preview": Retirement("2026-03-09", "gemini-3.1-pro-preview"),
    "claude-instant-1": Retirement("2024-11-06", _HAIKU),
    "claude-2": Retirement("2025-07-21", _SONNET),
    "claude-3-opus": Retirement("2026-01-05", _OPUS),
    "claude-3-sonnet": Retirement("2025-07-21", _SONNET),
    "claude-3-5-sonnet": Retirement("2025-10-28", _SONNET),
    "claude-3-5-haiku": Retirement("2026-02-19", _HAIKU),
    "claude-3-7-sonnet": Retirement("2026-02-19", _SONNET),
    "claude-opus-4": Retirement("2026-06-15", _OPUS),
    "claude-opus-4-1": Retirement("2026-08-05", _OPUS),
    "claude-sonnet-4": Retirement("2026-06-15", _SONNET),
    "claude-sonnet-4-5": Retirement("2026-11-30", _SONNET),
}
"""By name without a date, a number of an edition, or `latest`."""

_EDITION = re.compile(r"(?:[-@](?:20\d{6}|\d{3}|latest|0)|\.\d)$")


def retirement_of(model: str) -> Retirement | None:
    """When the model goes, if that is known; a name may have a date or `latest` at its end."""
    name = model.lower().removeprefix("models/")
    while name not in RETIRED:
        shorter = _EDITION.sub("", name)
        if shorter == name:
            return None
        name = shorter
    return RETIRED[name]
