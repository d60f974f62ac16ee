"""Time that goes on while a test waits for something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from shared.adapters.memory.clock import MemoryClock

T = TypeVar("T")


async def in_time(clock: MemoryClock, work: Awaitable[T], step: float = 0.01) -> T:
    """What comes of `work`, while `clock` goes on by `step` seconds again and again."""
    working = asyncio.ensure_future(work)
    while not working.done():
        await clock.advance(step)
    return await working
