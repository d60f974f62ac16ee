from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from shared.adapters.cloud_tasks.emulator_connection import EmulatorConnection

pytestmark = pytest.mark.loopback


@dataclass
class Peer:
    """A server that answers each request with its number, from 200, and closes when it was told to."""

    port: int = 0
    connections: int = 0
    bodies: list[bytes] = field(default_factory=list[bytes])
    closes_after: set[int] = field(default_factory=set[int])
    breaks_off_after: set[int] = field(default_factory=set[int])
    head: str = "HTTP/1.1 {status} Whatever\r\nX-Of-No-Use: 1\r\nContent-Length: 4\r\n\r\nbody"
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await self._head(reader):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                self.called.set()
                count = len(self.bodies)
                if self.silent.is_set():
                    continue
                if count not in self.breaks_off_after:
                    writer.write(self.head.format(status=199 + count).encode())
                if count in self.closes_after | self.breaks_off_after:
                    break
        finally:
            writer.close()
            self.closed.set()

    async def _head(self, reader: StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()


@pytest.fixture
async def connection(peer: Peer) -> AsyncIterator[EmulatorConnection]:
    connection = EmulatorConnection(f"127.0.0.1:{peer.port}")
    yield connection
    await connection.close()


async def test_many_requests_go_out_on_one_connection_and_come_back_in_their_order(
    peer: Peer, connection: EmulatorConnection
) -> None:
    bodies = [f"{number}".encode() for number in range(250)]
    assert await connection.post("/tasks", bodies) == list(range(200, 450))
    assert await connection.post("/tasks", []) == []
    assert (peer.bodies, peer.connections) == (bodies, 1)


async def test_calls_at_the_same_time_get_their_own_answers(peer: Peer, connection: EmulatorConnection) -> None:
    answers = await asyncio.gather(*(connection.post("/tasks", [b"%d" % number]) for number in range(20)))
    told = {peer.bodies[status - 200]: number for number, (status,) in enumerate(answers)}
    assert told == {b"%d" % number: number for number in range(20)}


@pytest.mark.parametrize("how", ["closes_after", "breaks_off_after"])
async def test_a_connection_that_was_closed_meanwhile_is_made_anew(
    peer: Peer, connection: EmulatorConnection, how: str
) -> None:
    await connection.post("/tasks", [b"first"])
    getattr(peer, how).add(2)
    if how == "closes_after":
        await connection.post("/tasks", [b"second"])
        await peer.closed.wait()
    assert await connection.post("/tasks", [b"last"]) == [202]
    assert (peer.connections, peer.bodies[-1]) == (2, b"last")


async def test_what_breaks_off_at_once_is_an_error(peer: Peer, connection: EmulatorConnection) -> None:
    peer.breaks_off_after.add(1)
    with pytest.raises(EOFError):
        await connection.post("/tasks", [b"first"])
    assert await connection.post("/tasks", [b"second"]) == [201]


async def test_after_a_call_that_was_given_up_no_answer_goes_to_another(
    peer: Peer, connection: EmulatorConnection
) -> None:
    peer.silent.set()
    given_up = asyncio.create_task(connection.post("/tasks", [b"first"]))
    await peer.called.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    peer.silent.clear()
    assert await connection.post("/tasks", [b"second"]) == [201]
    assert peer.connections == 2


async def test_an_answer_of_unknown_length_is_an_error(peer: Peer, connection: EmulatorConnection) -> None:
    peer.head = "HTTP/1.1 {status} OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with pytest.raises(ConnectionError):
        await connection.post("/tasks", [b"first"])
