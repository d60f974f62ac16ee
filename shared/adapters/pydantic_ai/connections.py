"""The HTTP client of the providers, and the certainty that a run which ends leaves no answer streaming."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import httpx2

_responses: ContextVar[list[httpx2.Response] | None] = ContextVar("responses", default=None)


def open_client() -> httpx2.AsyncClient:
    """The client of a process, for all providers. Each request carries its own deadline."""
    return httpx2.AsyncClient(
        # Long reads: a model may think for minutes before its first byte.
        timeout=httpx2.Timeout(1200, connect=10),
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
        event_hooks={"response": [_note]},
    )


@asynccontextmanager
async def closing_responses() -> AsyncGenerator[None]:
    """Close, at the end of the block, what the block has asked and not read to its end.

    Left to google-genai, a stream that is given up stays open, and is paid for, until the garbage collector comes.
    """
    opened: list[httpx2.Response] = []
    token = _responses.set(opened)
    try:
        yield
    finally:
        _responses.reset(token)
        for response in opened:
            if not response.is_closed:
                await response.aclose()


async def _note(response: httpx2.Response) -> None:
    opened = _responses.get()
    if opened is not None:
        opened.append(response)
