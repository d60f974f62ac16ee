"""Connects the schedules."""

from __future__ import annotations

from shared.adapters.cron.timetables import CronTimetables
from shared.edge.logs import logger
from shared.usecases.nodes.engine import Core
from shared.usecases.schedules.planner import Planner


def connect_planner(core: Core) -> Planner:
    """What keeps and fires schedules."""
    return Planner(core, CronTimetables(), _report)


def _report(error: BaseException) -> None:
    logger.error("defect in a schedule, or in what a sweep found", exc_info=error)
