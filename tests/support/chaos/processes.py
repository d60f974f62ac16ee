"""Processes that die, freeze and are shut down, as tasks of one event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tests.support.chaos.virtual_loop import VirtualLoop

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)
_OWNER: contextvars.ContextVar[Process | None] = contextvars.ContextVar("_OWNER", default=None)


class Died(BaseException):
    """The process is gone; nothing of it runs any more."""


class Process:
    """Some tasks that share their fate: a crash ends all of them, a freeze stops all of them for a while."""

    def __init__(self, loop: VirtualLoop, kind: str, number: int, skew_seconds: float = 0.0) -> None:
        """Start; the process's wall clock is `skew_seconds` ahead of the store's."""
        self.loop = loop
        self.kind = kind
        self.name = f"{kind}{number}"
        self.alive = True
        self.died_at = float("inf")
        self.frozen_until = 0.0
        self.was_frozen = False
        self.tasks: list[asyncio.Future[Any]] = []
        self._start = START + timedelta(seconds=skew_seconds)
        self._told = 0.0, self._start
        self._context = contextvars.copy_context()
        self._context.run(_OWNER.set, self)

    @staticmethod
    def adopt(task: asyncio.Task[Any]) -> None:
        """Note a new task as one of the process that made it."""
        owner = _OWNER.get()
        if owner is not None:
            owner.tasks.append(task)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in this process."""
        return self._context.run(self.loop.create_task, work)

    def check(self) -> None:
        """Raise `Died` if the process is dead."""
        if not self.alive:
            raise Died

    def crash(self) -> None:
        """End at once: no task of it goes on, and what it sends from now on goes nowhere."""
        if self.alive:
            self.alive = False
            self.died_at = self.loop.now
            for task in self.tasks:
                task.cancel()

    def freeze(self, seconds: float) -> None:
        """Do nothing for a while, and notice nothing of it; messages wait."""
        self.frozen_until = max(self.frozen_until, self.loop.now + seconds)
        self.was_frozen = True

    @property
    def departure(self) -> float:
        """When a message that is sent now leaves."""
        return max(self.loop.now, self.frozen_until)

    def tell(self, future: asyncio.Future[Any], value: Any, error: BaseException | None = None) -> None:
        """Bring an answer to whoever waits for it, unless the process is dead; once it is not frozen."""
        if future.done() or not self.alive:
            return
        if self.frozen_until > self.loop.now:
            self.loop.at(self.frozen_until, self.tell, future, value, error)
        elif error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def when_awake(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        """Call at an instant, or when the process is no longer frozen; never if it is dead by then."""
        if when > self.loop.now:
            self.loop.at(when, self._if_awake, callback, args)
        else:
            self._if_awake(callback, args)

    def _if_awake(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if self.frozen_until > self.loop.now:
            self.loop.at(self.frozen_until, self._if_awake, callback, args)
        elif self.alive:
            callback(*args)

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.check()
        future: asyncio.Future[None] = asyncio.Future(loop=self.loop)
        self.loop.at(self.departure + max(seconds, 0.0), self.tell, future, None)
        await future

    # As the `Clock` port.

    def now(self) -> datetime:
        """The process's wall clock."""
        at, instant = self._told
        if at != self.loop.now:
            at, instant = self._told = self.loop.now, self._start + timedelta(seconds=self.loop.now)
        return instant

    def monotonic(self) -> float:
        """The process's monotonic clock."""
        return self.loop.now

    async def sleep(self, seconds: float) -> None:
        """As `pause`; a dead process does not sleep."""
        await self.pause(seconds)
