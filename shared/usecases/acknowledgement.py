"""What a queue is told of a delivered task."""

from __future__ import annotations

from enum import Enum


class Acknowledgement(Enum):
    """What to tell the queue: the task is done with, or is to be delivered again."""

    DONE = "done"
    BUSY = "busy"
