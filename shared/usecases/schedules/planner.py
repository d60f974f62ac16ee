"""What the use cases of schedules work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.ports.timetables import Timetables
from shared.usecases.nodes.engine import Core


@dataclass(frozen=True, slots=True)
class Planner:
    """The ports with which schedules are kept and fired.

    Args:
        report_defect: told of every exception that is not a DomainError.
    """

    core: Core
    timetables: Timetables
    report_defect: Callable[[BaseException], None]
