"""The queue's own share of a graph: as many tasks, to a worker that does nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx

from scripts.local.bench_shapes import FAN_500, Shape
from scripts.local.environment import QUEUE, REGION, task_caller
from scripts.local.paths import BUILD, LOCAL
from scripts.local.processes import HOST, Program, free_port
from scripts.local.stack import Stack
from scripts.local.staging import environment
from shared.adapters.cloud_tasks.emulator import EmulatorTaskQueue
from shared.adapters.cloud_tasks.target import QueueTarget
from shared.domain.ids import Instance, RunId
from shared.ports.task_queue import NodeTask

_COUNTER = """\
import functions_framework.aio

delivered = 0


@functions_framework.aio.http
async def count(request):
    global delivered
    delivered += request.method == "POST"
    return str(delivered)
"""
_POLL_SECONDS = 0.02
_END_SECONDS = 300


async def queue_floor(stack: Stack, repeat: int, shape: Shape = FAN_500) -> list[float]:
    """Seconds in which the queue takes and delivers the tasks of a graph, layer after layer, to an empty worker."""
    emulator = stack.settings.ports.emulators.environment["CLOUD_TASKS_EMULATOR_HOST"]
    project = stack.settings.project
    with _counter(stack) as address:
        target = QueueTarget(project, REGION, QUEUE, address, task_caller(project))
        queue = EmulatorTaskQueue(target, emulator, stack.settings.oidc_key)
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            try:
                return [await _deliver(queue, client, shape) for _ in range(repeat + 1)][1:]
            finally:
                await queue.close()


async def _deliver(queue: EmulatorTaskQueue, client: httpx.AsyncClient, shape: Shape) -> float:
    run = RunId(secrets.token_hex(8))
    expected = int((await client.get("/")).text)
    begun = time.perf_counter()
    async with asyncio.timeout(_END_SECONDS):
        for number, width in enumerate(shape.layers):
            instances = [Instance(f"layer{number}~0~{place}") for place in range(width)]
            await queue.enqueue([NodeTask(run, instance, "ready") for instance in instances])
            expected += width
            while int((await client.get("/")).text) < expected:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(_POLL_SECONDS)
    return time.perf_counter() - begun


@contextmanager
def _counter(stack: Stack) -> Generator[str]:
    folder = BUILD / "bench" / "counter"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(_COUNTER)
    port = free_port()
    framework = environment("worker") / "bin" / "functions-framework"
    program = Program(
        "the empty worker",
        [str(framework), "--target=count", f"--source={folder / 'main.py'}", f"--host={HOST}", f"--port={port}"],
        env=stack.settings.function_environment("worker"),
        log=LOCAL / "bench" / "logs" / "counter.log",
    )
    try:
        address = f"http://{HOST}:{port}"
        program.wait_until_serving(address)
        yield address
    finally:
        program.stop()
