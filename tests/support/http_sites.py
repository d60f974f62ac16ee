"""Small HTTP sites on the loopback address, for what Fireloom asks of other people's servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a site saw it; `target` is what stood in the request line, byte for byte."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path, as it was sent."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Told:
    """What a site answers; `parts` are sent one by one, after the head and without a length."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    parts: Callable[[], AsyncIterator[bytes]] | None = None

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> Told:
        """A JSON answer."""
        return cls(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Told:
        """A redirect."""
        return cls(status=status, headers={"Location": location})


Answer: TypeAlias = Told | Callable[[Asked], Told]


@dataclass
class Site:
    """A running site: what it answers by path (`*` for all others), and what it was asked."""

    port: int
    answers: dict[str, Answer]
    asked: list[Asked] = field(default_factory=list[Asked])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """An address of the site, under one of the names that lead to it."""
        return f"http://{host}:{self.port}{path}"

    def at(self, host: str = "127.0.0.1") -> tuple[str, int]:
        """The site as an exception of an egress policy."""
        return host, self.port


@asynccontextmanager
async def site_of(answers: Mapping[str, Answer], port: int = 0) -> AsyncGenerator[Site]:
    """A site for the time of the block, on `port` or a free one."""
    site = Site(0, dict(answers))
    open_now: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_serve(site, reader, writer))
        open_now.add(task)
        task.add_done_callback(open_now.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        await server.wait_closed()
        for task in list(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _serve(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        asked = await _receive(reader)
        if asked is not None:
            site.asked.append(asked)
            answer = site.answers.get(asked.path) or site.answers.get("*", Told(b"not here", 404))
            await _tell(answer(asked) if callable(answer) else answer, writer)
    except ConnectionError:
        pass  # the client has heard enough
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _receive(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


async def _tell(told: Told, writer: asyncio.StreamWriter) -> None:
    length = {} if told.parts else {"Content-Length": str(len(told.body))}
    headers = {**length, "Connection": "close", **told.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {told.status} Told\r\n{lines}\r\n".encode() + told.body)
    await writer.drain()
    if told.parts is not None:
        async for part in told.parts():
            writer.write(part)
            await writer.drain()
