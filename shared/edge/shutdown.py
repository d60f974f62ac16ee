"""What a function does when its instance is told to stop.

Cloud Run sends SIGTERM and waits 10 seconds. Source: https://cloud.google.com/run/docs/container-contract
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

_armed: set[Callable[[], Coroutine[Any, Any, None]]] = set()


def on_terminate(action: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `action` in this event loop at SIGTERM, beside what the server does then; a second call changes nothing.

    Call it from a request: the server has installed its own handler by then.
    """
    if action in _armed:
        return
    _armed.add(action)
    loop = asyncio.get_running_loop()
    server = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(action()))
        if callable(server):
            server(number, frame)

    signal.signal(signal.SIGTERM, handle)
