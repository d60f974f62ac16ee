"""Waiting for what comes by itself, and for as long as a slow machine needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx

PATIENCE_SECONDS = 300.0
"""Far longer than anything takes, and less than a test may."""
ENDED = frozenset({"succeeded", "failed", "cancelled"})
_PAUSE_SECONDS = 0.05

Answer = TypeVar("Answer")


async def until(ask: Callable[[], Awaitable[Answer | None]]) -> Answer:
    """What `ask` comes to, once it is something.

    Raises:
        TimeoutError: It came to nothing for too long; the message says to what.
    """
    found: Answer | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await ask()):  # noqa: ASYNC110 - what is asked tells nobody by itself
                await asyncio.sleep(_PAUSE_SECONDS)
            return found
    except TimeoutError as error:
        raise TimeoutError(f"{ask} came to {found!r} for {PATIENCE_SECONDS:.0f} s") from error


async def reaches(client: httpx.AsyncClient, path: str, *states: str) -> dict[str, Any]:
    """What is at `path`, once its state is one of these."""

    async def there() -> dict[str, Any] | None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found if found["state"] in states else None

    return await until(there)


async def comes_to(client: httpx.AsyncClient, run: Mapping[str, Any], *states: str) -> dict[str, Any]:
    """The run, once it is in one of the states."""
    return await reaches(client, f"/runs/{run['id']}", *states)


async def end_of(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """The run at `path`, once it has ended."""
    return await reaches(client, path, *ENDED)
