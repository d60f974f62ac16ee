"""What our launcher of the Authentication and Cloud Tasks emulators changes about them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from scripts.local.emulators import EmulatorPorts


class Target:
    """A server that notes the heads of the requests which it gets."""

    def __init__(self) -> None:
        self.heads: asyncio.Queue[str] = asyncio.Queue()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.put_nowait(head.decode().lower())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def next_head(self) -> str:
        async with asyncio.timeout(60):
            return await self.heads.get()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    target = Target()
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
    async with server:
        target.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield target


async def test_each_task_comes_on_a_connection_of_its_own(
    emulators: EmulatorPorts, project_id: str, target: Target
) -> None:
    queue = f"/projects/{project_id}/locations/us-central1/queues/nodes"
    task = {"httpRequest": {"url": target.url, "body": base64.b64encode(json.dumps({}).encode()).decode()}}
    base = f"http://{emulators.environment['CLOUD_TASKS_EMULATOR_HOST']}"
    async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as client:
        await client.post(queue, json={})
        await client.post(f"{queue}/tasks", json={"task": task})

    assert "\r\nconnection: close\r\n" in await target.next_head()


@pytest.mark.parametrize("variable", ["CLOUD_TASKS_EMULATOR_HOST", "FIREBASE_AUTH_EMULATOR_HOST"])
async def test_an_idle_connection_is_kept(emulators: EmulatorPorts, variable: str) -> None:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.get(f"http://{emulators.environment[variable]}/")

    assert "timeout=" not in answer.headers.get("keep-alive", "")
    assert answer.headers.get("connection") != "close"
