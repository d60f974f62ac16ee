"""A small HTTP/1.1 server on the loopback address that plays scripted replies and remembers what it was asked.

Written on sockets because the tests need what servers protect their applications from: a body that breaks off, and the
exact moment at which a client goes away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.provider_stubs.replies import Answer, Dialect, Ending, Refusal, Reply

_SSE_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nrequest-id: req_stub\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came.

    Args:
        path: with its query.
        headers: names in lower case.
        body: its JSON.
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Stub:
    """A running stub.

    Args:
        base_url: its address, without a slash at the end.
        received: every request, also those beyond the script.
        gone: set once a client has closed its connection in the middle of an answer.
    """

    base_url: str
    replies: list[Reply]
    dialect: Dialect
    received: list[Received] = field(default_factory=list[Received])
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    server: asyncio.Server | None = None

    async def close(self) -> None:
        """Stop listening."""
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()

    def next_reply(self) -> Reply:
        """The script's next reply; beyond its end a plain error, which a test of retries notices."""
        return self.replies.pop(0) if self.replies else Refusal(500, "the script of this stub is at its end")


@asynccontextmanager
async def running(dialect: Dialect, replies: Iterable[Reply]) -> AsyncGenerator[Stub]:
    """A stub on a free port for the time of the block."""
    stub = Stub("", list(replies), dialect)
    open_now: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_serve(stub, reader, writer))
        open_now.add(task)
        task.add_done_callback(open_now.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    stub.server = server
    stub.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        await stub.close()
        for task in list(open_now):  # clients keep their connections for the next request
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _serve(stub: Stub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (received := await _receive(reader)) is not None:
            stub.received.append(received)
            reply = stub.next_reply()
            if isinstance(reply, Refusal):
                await _refuse(stub, reply, writer)
            elif not await _answer(stub, reply, reader, writer):
                break
    except ConnectionError:
        stub.gone.set()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, json.loads(body or b"{}"))


async def _until_gone(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read(1)


async def _refuse(stub: Stub, refusal: Refusal, writer: asyncio.StreamWriter) -> None:
    body = json.dumps(stub.dialect.refusal(refusal)).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **refusal.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {refusal.status} Refused\r\n{lines}\r\n".encode() + body)
    await writer.drain()


async def _answer(stub: Stub, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Stream an answer; whether the connection can be used again."""
    writer.write(_SSE_HEAD.encode())
    # While an answer is on its way the client sends nothing, so a read ends when the client is gone.
    watch = asyncio.ensure_future(_until_gone(reader))
    try:
        for frame in stub.dialect.frames(answer):
            if watch.done():
                stub.gone.set()
                return False
            writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
        if answer.ending is Ending.CUT:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    except ConnectionError:
        stub.gone.set()
        return False
    finally:
        if not watch.done():
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
    return True
