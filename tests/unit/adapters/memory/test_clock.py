from __future__ import annotations

import asyncio

from shared.adapters.memory.clock import MemoryClock


async def test_sleepers_wake_in_order_when_the_clock_reaches_them() -> None:
    clock, woken = MemoryClock(), list[tuple[str, float]]()

    async def beat(name: str, seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(beat("slow", 4)), asyncio.create_task(beat("quick", 3))]
    await clock.advance(8)
    assert woken == [("quick", 3), ("slow", 4), ("quick", 6), ("slow", 8)]
    assert clock.sleepers == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await clock.advance(10)
    assert len(woken) == 4


async def test_now_and_monotonic_move_together() -> None:
    clock = MemoryClock()
    start = clock.now()
    clock.jump(1.5)
    await clock.sleep(0)
    assert clock.monotonic() == 1.5
    assert (clock.now() - start).total_seconds() == 1.5
