"""A resource that lives in a task of its own, because its scopes must be left by the task that entered them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")
T = TypeVar("T")


class SessionEnded(Exception):
    """The resource was lost while it was used."""


@dataclass(frozen=True, slots=True)
class _Open(Generic[R]):
    """A resource that is being opened or is open, and the task that holds it."""

    resource: asyncio.Future[R]
    owner: asyncio.Task[None]


class Session(Generic[R]):
    """A resource that is opened when it is used, and closed when it has not been used for a while."""

    def __init__(self, live: Callable[[], AbstractAsyncContextManager[R]], idle_seconds: float) -> None:
        """Open with `live`; close after `idle_seconds` without a use."""
        self._live = live
        self._idle_seconds = idle_seconds
        self._open: _Open[R] | None = None
        self._changed = asyncio.Event()
        self._users = 0
        self._opened: Callable[[], object] = lambda: None
        self._ended: Callable[[], object] = lambda: None

    def watch(self, opened: Callable[[], object], ended: Callable[[], object]) -> None:
        """Have `opened` called whenever the resource is being opened, and `ended` whenever it is closed."""
        self._opened, self._ended = opened, ended

    async def use(self, work: Callable[[R], Awaitable[T]]) -> T:
        """The result of `work` on the resource.

        Raises:
            SessionEnded: the resource was lost meanwhile; the next use opens it again.
            Exception: it could not be opened, or whatever `work` raises.
        """
        self._users += 1
        try:
            held = self._held()
            working = asyncio.ensure_future(work(await asyncio.shield(held.resource)))
            try:
                await asyncio.wait({working, held.owner}, return_when=asyncio.FIRST_COMPLETED)
                if not working.done():
                    raise SessionEnded
                return working.result()
            finally:
                if not working.done():
                    working.cancel()
                    await asyncio.gather(working, return_exceptions=True)
        finally:
            self._users -= 1
            self._changed.set()

    async def drop(self) -> None:
        """Close the resource, so that the next use opens it anew, unless somebody uses it now."""
        if not self._users:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the resource."""
        held, self._open = self._open, None
        if held is not None:
            held.owner.cancel()
            await asyncio.gather(held.owner, return_exceptions=True)

    def _held(self) -> _Open[R]:
        if self._open is None or self._open.owner.done():
            resource: asyncio.Future[R] = asyncio.get_running_loop().create_future()
            self._open = _Open(resource, asyncio.create_task(self._own(resource)))
            self._opened()
        return self._open

    async def _own(self, opened: asyncio.Future[R]) -> None:
        """Hold the resource open as long as it is used, and a while longer."""
        try:
            async with self._live() as resource:
                opened.set_result(resource)
                await self._until_idle()
                self._forget(opened)  # whoever comes from now on gets a new one
        except BaseException as error:
            if not opened.done():
                opened.set_exception(error if isinstance(error, Exception) else SessionEnded())
                opened.exception()  # taken note of, also where nobody waits any more
            if not isinstance(error, Exception):
                raise
        finally:
            self._forget(opened)

    def _forget(self, opened: asyncio.Future[R]) -> None:
        if self._open is None or self._open.resource is opened:
            self._open = None
            self._ended()

    async def _until_idle(self) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(None if self._users else self._idle_seconds):
                    await self._changed.wait()
            except TimeoutError:
                return
