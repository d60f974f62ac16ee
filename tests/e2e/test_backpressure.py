"""What a deployment has at work at once: as many nodes as its queue may dispatch; the others wait in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from scripts.local.environment import QUEUE, REGION
from scripts.local.processes import HOST
from scripts.local.stack import Stack
from shared.domain.tool_definitions import MAX_TOOL_SECONDS
from tests.support.http_sites import Asked, Told, site_of
from tests.support.people import sign_up
from tests.support.polling import comes_to, until
from tests.support.stack import running_stack

LIMIT = 3
WIDTH = 4


@pytest.fixture(scope="module")
def narrow_stack(tmp_path_factory: pytest.TempPathFactory, site_port: int) -> Iterator[Stack]:
    """A deployment whose queues dispatch few tasks at once."""
    extra = {"FIRELOOM_EGRESS_LOOPBACK": f"{HOST}:{site_port}"}
    with running_stack(tmp_path_factory.mktemp("narrow"), extra, concurrent_dispatches=LIMIT) as stack:
        yield stack


class Gate:
    """Lets those who ask through one by one, and knows how many wait."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self.came = 0
        self._places = asyncio.Semaphore(0)

    def open(self) -> None:
        """Let one through."""
        self._places.release()

    def answer(self, asked: Asked) -> Told:
        del asked
        self.came += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        return Told(headers={"Content-Type": "application/json"}, parts=self._parts)

    async def _parts(self) -> AsyncIterator[bytes]:
        await self._places.acquire()
        self.waiting -= 1
        yield b"{}"


@pytest.fixture
async def gate(site_port: int) -> AsyncIterator[Gate]:
    """What the site of the nodes asks."""
    gate = Gate()
    async with site_of({"*": gate.answer}, site_port):
        yield gate


@pytest.fixture
async def pair(narrow_stack: Stack) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two people."""
    async with (
        httpx.AsyncClient(base_url=narrow_stack.api, timeout=60, trust_env=False) as api,
        sign_up(api) as ada,
        sign_up(api) as bob,
    ):
        yield ada, bob


def definition_at(port: int) -> dict[str, Any]:
    """Nodes that ask a site, none after another."""
    tool = {
        "name": "ask",
        "description": "Asks.",
        "url": f"http://{HOST}:{port}/",
        "arguments": {"type": "object"},
        "timeout_seconds": MAX_TOOL_SECONDS,
    }
    nodes = {f"ask{number}": {"kind": "tool", "tool": "ask"} for number in range(WIDTH)}
    return {"name": "asking", "model": "local:extractive", "http_tools": [tool], "graph": {"nodes": nodes}}


async def begin(client: httpx.AsyncClient, port: int) -> dict[str, Any]:
    began = await client.post("/workflows/graph", json={"definition": definition_at(port), "input": "go"})
    assert began.status_code == 202, began.text
    return began.json()


async def in_queue(stack: Stack) -> int:
    """How many tasks the queue has not dispatched yet."""
    host = stack.settings.ports.emulators.environment["CLOUD_TASKS_EMULATOR_HOST"]
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        queues = (await client.get(f"http://{host}/queueStats")).json()
    return queues[f"queue:{stack.settings.project}-{REGION}-{QUEUE}"]["numberOfTasks"]


async def stands(stack: Stack, gate: Gate, came: int, waiting: int, queued: int) -> bool:
    """Whether so many came and wait, and the others are still in the queue."""
    return (gate.came, gate.waiting) == (came, waiting) and await in_queue(stack) >= queued


async def test_a_deployment_has_no_more_nodes_at_work_than_its_queue_may_dispatch(
    narrow_stack: Stack, gate: Gate, pair: tuple[httpx.AsyncClient, httpx.AsyncClient], site_port: int
) -> None:
    runs = [(person, await begin(person, site_port)) for person in pair]
    everybody = len(runs) * WIDTH
    for through in range(everybody):
        came = min(through + LIMIT, everybody)
        await until(partial(stands, narrow_stack, gate, came, came - through, everybody - came))
        gate.open()
    ended = [await comes_to(person, run, "succeeded", "failed") for person, run in runs]
    assert [run["state"] for run in ended] == ["succeeded"] * len(runs)
    assert (gate.most, gate.came) == (LIMIT, everybody)


async def test_a_run_whose_tasks_a_full_queue_holds_back_is_cancelled_in_the_cancels_own_answer(
    narrow_stack: Stack, gate: Gate, pair: tuple[httpx.AsyncClient, httpx.AsyncClient], site_port: int
) -> None:
    ada, bob = pair
    held = await begin(ada, site_port)
    await until(partial(stands, narrow_stack, gate, LIMIT, LIMIT, WIDTH - LIMIT))
    unwanted = await begin(bob, site_port)
    cancelled = await bob.post(f"/runs/{unwanted['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    nodes = (await bob.get(f"/runs/{unwanted['id']}/nodes")).json()["items"]
    assert [(node["state"], node["attempt"]) for node in nodes] == [("cancelled", 0)] * WIDTH
    for _ in range(WIDTH):
        gate.open()
    assert (await comes_to(ada, held, "succeeded", "failed"))["state"] == "succeeded"
    await until(partial(is_empty, narrow_stack))
    assert gate.came == WIDTH


async def is_empty(stack: Stack) -> bool:
    return not await in_queue(stack)
