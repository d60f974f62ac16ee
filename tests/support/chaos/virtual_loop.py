"""An event loop whose time is a number: nothing waits, and two runs of one seed are the same run."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, cast

T = TypeVar("T")


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs what is ready in the order in which it became so, then moves time on to the next timer.

    It has what tasks, futures and the primitives of asyncio need, and nothing for sockets or threads.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.unhandled: list[str] = []
        """What asyncio reported: exceptions that nobody looked at."""
        self.on_task: Callable[[asyncio.Task[Any]], None] = lambda _: None
        self._ready: deque[_Due] = deque()
        self._timers: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = 0

    def run(self, *, until: Callable[[], bool], deadline: float) -> bool:
        """Run until `until()` holds, or nothing is left to run, or `deadline` is reached; whether `until()` holds."""
        ready, timers = self._ready, self._timers
        asyncio._set_running_loop(self)  # noqa: SLF001 - the documented hook of those who write loops
        try:
            while True:
                while ready:
                    callback, args, context = ready.popleft()
                    if context is None:
                        callback(*args)
                    else:
                        context.run(callback, *args)
                if until():
                    return True
                if not timers or timers[0][0] > deadline:
                    return False
                self.now, _, callback, args = heapq.heappop(timers)
                callback(*args)
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above

    def at(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        """Call at an instant; cheaper than `call_at`, because it cannot be taken back."""
        self._order += 1
        due = when if when > self.now else self.now  # noqa: FURB136 - max takes longer, and this is called most of all
        heapq.heappush(self._timers, (due, self._order, callback, args))

    # What asyncio calls.

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        due = _Due((callback, args, context))
        self._ready.append(due)
        return due  # type: ignore[return-value] # all of a handle that callers use

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        del context  # a timer of ours does nothing but settle a future
        timer = _Timer(callback, args)
        self.at(when, timer.fire)
        return cast(asyncio.TimerHandle, timer)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override] # the stubs differ between minor versions
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.on_task(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")


class _Timer:
    """What `call_at` returns."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def fire(self) -> None:
        if not self._cancelled:
            self._callback(*self._args)


class _Due(list[Any]):
    """What `call_soon` returns: the callback, its arguments and its context; a list, because that is made fastest."""

    __slots__ = ()

    def cancel(self) -> None:
        self[:] = _nothing, (), None

    def cancelled(self) -> bool:
        return self[0] is _nothing


def _nothing() -> None:
    """What becomes of a call that was taken back."""
