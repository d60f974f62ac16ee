"""The queue that calls the worker once for each node that is ready (at least once, in no order)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.ids import Instance, RunId, hashed_id


@dataclass(frozen=True, slots=True)
class NodeTask:
    """A request to execute one node instance.

    Args:
        run_id: the run.
        instance: the node instance.
        cause: why this task exists: `ready`, `retry 2`, `yield 1`, `sweep 3`, `watch`; the same cause twice is one
            task.
        not_before: do not deliver before this instant (a hint: a queue may ignore it, the worker checks the document).
    """

    run_id: RunId
    instance: Instance
    cause: str
    not_before: datetime | None = None

    @property
    def name(self) -> str:
        """The task's name: hashed, because sequential names slow Cloud Tasks down.

        Source: https://cloud.google.com/tasks/docs/creating-http-target-tasks
        """
        return hashed_id(self.run_id, self.instance, self.cause)


class TaskQueue(Protocol):
    """Accepts tasks; a task whose name was used before is accepted and not delivered again."""

    async def enqueue(self, tasks: Sequence[NodeTask]) -> None:
        """Hand all tasks to the queue.

        Raises:
            shared.domain.errors.Unavailable: the queue did not accept every task.
        """
        ...
