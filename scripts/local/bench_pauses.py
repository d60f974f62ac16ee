"""A server that answers each request after a pause: what the nodes of a measured graph wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from scripts.local.bench_shapes import PAUSE_SECONDS
from scripts.local.processes import HOST

_BACKLOG = 1024
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@asynccontextmanager
async def pausing_server(port: int) -> AsyncGenerator[str, None]:
    """Serve while the context lasts; its address."""
    async with await asyncio.start_server(_answer, HOST, port, backlog=_BACKLOG):
        yield f"http://{HOST}:{port}/"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(PAUSE_SECONDS)
        writer.write(_ANSWER)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        return  # who asked has left
    finally:
        writer.close()
