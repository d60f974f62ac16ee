"""The connection to the local emulator: many requests at once, answered in their order (HTTP/1.1 pipelining).

A client for every purpose takes ten times the processor time, and more than the node whose task it hands over. What is
sent must be safe to repeat: on a connection that the emulator has closed meanwhile, nobody knows what it still took.

Source: https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2
"""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence

_MOST_AT_ONCE = 100
_TIMEOUT_SECONDS = 10.0
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class EmulatorConnection:
    """One connection, made with the first request, and made anew when it was closed; in one event loop."""

    def __init__(self, host: str) -> None:
        """Name the emulator: host and port."""
        self._host = host
        self._turn = asyncio.Lock()
        self._streams: tuple[StreamReader, StreamWriter] | None = None

    async def post(self, path: str, bodies: Sequence[bytes]) -> list[int]:
        """Post JSON; the status of each answer.

        Raises:
            OSError: the emulator does not answer, or not in time.
            EOFError: it broke off.
        """
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\nContent-Length: "
        requests = [b"%b%d\r\n\r\n%b" % (head.encode(), len(body), body) for body in bodies]
        statuses: list[int] = []
        async with self._turn:
            for start in range(0, len(requests), _MOST_AT_ONCE):
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    statuses += await self._send(requests[start : start + _MOST_AT_ONCE])
        return statuses

    async def close(self) -> None:
        """Close the connection when no request is on it; posting again opens a new one."""
        async with self._turn:
            self._drop()

    async def _send(self, requests: Sequence[bytes]) -> list[int]:
        if self._streams is not None:
            try:
                return await self._exchange(*self._streams, requests)
            except (OSError, EOFError):
                """It was idle, and is closed: a fresh one will do."""
        host, _, port = self._host.rpartition(":")
        self._streams = await asyncio.open_connection(host, int(port))
        return await self._exchange(*self._streams, requests)

    async def _exchange(self, reader: StreamReader, writer: StreamWriter, requests: Sequence[bytes]) -> list[int]:
        try:
            writer.writelines(requests)
            return [await _status(reader) for _ in requests]
        except BaseException:  # also when it was cancelled: the answers that are still to come are nobody's
            self._drop()
            raise

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _status(reader: StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = _STATUS.match(head), _LENGTH.search(head)
    if status is None or length is None:
        raise ConnectionError("the emulator answers in another way than it did")
    await reader.readexactly(int(length[1]))
    return int(status[1])
