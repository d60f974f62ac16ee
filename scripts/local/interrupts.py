"""Ctrl-C for commands that wait on the network."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

AGAIN_SECONDS = 1.0


async def until_interrupted(work: Coroutine[Any, Any, None], again_seconds: float = AGAIN_SECONDS) -> None:
    """Run `work`; at SIGINT cancel it, and again after each pause until it ends.

    One cancellation may be lost where it meets the end of a request: then a client takes it for its own.

    Raises:
        asyncio.CancelledError: it was interrupted, even if it came to its end.
    """
    loop, working = asyncio.get_running_loop(), asyncio.ensure_future(work)
    interrupted = asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        working.cancel()
        if not working.done():
            loop.call_later(again_seconds, interrupt)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        await working
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    if interrupted.is_set():
        raise asyncio.CancelledError
