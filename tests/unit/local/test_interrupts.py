"""Who presses Ctrl-C is obeyed, also where a library takes the cancellation for its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from scripts.local.interrupts import until_interrupted


async def obeys() -> None:
    await asyncio.Event().wait()


async def loses_one_and_ends() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


async def loses_one_and_goes_on() -> None:
    await loses_one_and_ends()
    await asyncio.Event().wait()


@pytest.mark.parametrize("work", [obeys, loses_one_and_ends, loses_one_and_goes_on])
async def test_an_interrupt_ends_what_runs(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    running = asyncio.ensure_future(until_interrupted(work(), again_seconds=0.01))
    await asyncio.sleep(0)  # it begins, and listens for signals
    before = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert signal.getsignal(signal.SIGINT) is not before


async def test_what_nobody_interrupts_comes_to_its_end() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all of it")

    await until_interrupted(work())
    assert done == ["all of it"]
