"""A task queue in memory that a test pumps by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias

from typing_extensions import TypeVar

from shared.domain.errors import Unavailable
from shared.ports.task_queue import NodeTask, Task

T = TypeVar("T", bound=Task, default=NodeTask)
TaskHandler: TypeAlias = Callable[[T], Awaitable[bool]]
"""Executes a task; true acknowledges it, false asks for another delivery."""


class MemoryTaskQueue(Generic[T]):
    """`TaskQueue` (or, of its tasks, `IngestQueue`) in memory: keeps what was enqueued, and delivers when told."""

    def __init__(self) -> None:
        """Start empty."""
        self.accepted: list[T] = []
        """Every task that was accepted under a new name, in order."""
        self.pending: deque[T] = deque()
        """What is still to be delivered."""
        self._names: set[str] = set()
        self._failures = 0

    async def enqueue(self, tasks: Sequence[T]) -> None:
        """Accept tasks; a name that was used before is swallowed."""
        if self._failures:
            self._failures -= 1
            raise Unavailable("the queue does not answer")
        for task in tasks:
            if task.name not in self._names:
                self._names.add(task.name)
                self.accepted.append(task)
                self.pending.append(task)

    def fail_next(self, times: int = 1) -> None:
        """Refuse the next calls of `enqueue`."""
        self._failures = times

    def lose_next(self) -> T:
        """Drop the next delivery for ever, as a queue that was purged."""
        return self.pending.popleft()

    def redeliver(self, task: T) -> None:
        """Deliver a task once more, whatever became of it: deliveries are at least once."""
        self.pending.append(task)

    async def deliver_next(self, handler: TaskHandler[T]) -> T | None:
        """Deliver one task and return it, or None when nothing is pending; unacknowledged, it is pending again."""
        if not self.pending:
            return None
        task = self.pending.popleft()
        acknowledged = False
        try:
            acknowledged = await handler(task)
        finally:
            if not acknowledged:
                self.pending.append(task)
        return task

    async def drain(self, handler: TaskHandler[T], most: int = 10_000) -> int:
        """Deliver until nothing is pending and return the number of deliveries.

        Raises:
            RuntimeError: something is still pending after `most` deliveries.
        """
        for count in range(most):
            if await self.deliver_next(handler) is None:
                return count
        raise RuntimeError(f"{len(self.pending)} tasks are pending after {most} deliveries")
