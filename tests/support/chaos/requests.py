"""How people ask: each request is a process of its own, and who is not answered asks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from shared.domain.errors import AlreadyDecided, DomainError, QuotaExceeded, RunEnded, SessionBusy
from shared.usecases.nodes.engine import Core
from tests.support.chaos.processes import Died, Process
from tests.support.chaos.world import World

T = TypeVar("T")


class Requests:
    """What people ask of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, kind: str, ask: Callable[[Core], Coroutine[Any, Any, T]]) -> T | DomainError:
        """The answer to a request that is made again until there is one."""
        answered = None
        while answered is None:
            process = self._world.process(kind)
            answered = await self.settle(process, ask(self._world.core(process)))
            await self.wait(self._world.random.uniform(0.1, 5))
        return answered

    async def settle(self, process: Process, work: Coroutine[Any, Any, T]) -> T | DomainError | None:
        """What a request came to: its result, a refusal that is final, or None when asking again may help."""
        task = process.spawn(work)
        await asyncio.wait({task})
        if task.cancelled():
            return None
        error = task.exception()
        match error:
            case None:
                return task.result()
            case Died():
                return None
            case SessionBusy() | AlreadyDecided() | RunEnded() | QuotaExceeded():
                return error
            case DomainError() if error.retryable:
                self._world.note(process.name, f"answers {error!r}")
                return None
            case _:
                self._world.violation(f"a request ended in {error!r}")
                return None

    async def wait(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.Future(loop=self._world.loop)
        self._world.loop.at(self._world.loop.now + seconds, future.set_result, None)
        await future
