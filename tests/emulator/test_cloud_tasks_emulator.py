"""The local queue's adapter, against the emulator, which calls a receiver of ours."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import httpx
import pytest

from scripts.local.emulators import EmulatorPorts
from shared.adapters.cloud_tasks.emulator import EmulatorTaskQueue
from shared.adapters.cloud_tasks.target import QueueTarget
from shared.adapters.google_oidc.task_tokens import LocalTaskTokens
from shared.domain.errors import Unavailable
from shared.domain.ids import DeliveryId, Instance, RunId
from shared.domain.knowledge import CollectionId, DocumentId
from shared.ports.task_queue import DeliveryTask, IngestTask, NodeTask, TaskQueue
from tests.support.port_contracts.task_queue import Accepted, TaskQueueContract

KEY = secrets.token_hex(32)
ACCOUNT = "tasks@demo-store.iam.gserviceaccount.com"
PATIENCE_SECONDS = 60
CONFIGURATION = {
    "retryConfig": {"maxAttempts": 100, "minBackoffSeconds": 0.01, "maxBackoffSeconds": 0.1},
    "rateLimits": {"maxConcurrentDispatches": 500, "maxDispatchesPerSecond": 5000},
}


@dataclass(frozen=True)
class Delivery:
    """A request that the emulator made."""

    path: str
    authorization: str
    retries: int
    body: Any


@dataclass
class Receiver:
    """A worker that keeps what it is called with, and answers with the coming statuses, then with 200."""

    url: str = ""
    deliveries: Queue[Delivery] = field(default_factory=Queue[Delivery])
    statuses: list[int] = field(default_factory=list[int])

    async def next(self) -> Delivery:
        return await asyncio.to_thread(self.deliveries.get, timeout=PATIENCE_SECONDS)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Worker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            retries = int(self.headers["X-CloudTasks-TaskRetryCount"])
            receiver.deliveries.put(Delivery(self.path, self.headers["Authorization"], retries, body))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 500  # as many as the queue calls at once

    server = Server(("127.0.0.1", 0), Worker)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def target(receiver: Receiver) -> QueueTarget:
    return QueueTarget(f"demo-store-{secrets.token_hex(4)}", "us-central1", "nodes", receiver.url, ACCOUNT)


@pytest.fixture
def host(emulators: EmulatorPorts) -> str:
    return emulators.environment["CLOUD_TASKS_EMULATOR_HOST"]


@pytest.fixture
async def queue(target: QueueTarget, host: str) -> AsyncIterator[TaskQueue]:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        (await client.post(f"http://{host}/{target.path}", json=CONFIGURATION)).raise_for_status()
    queue = EmulatorTaskQueue(target, host, KEY)
    yield queue
    await queue.close()


@pytest.fixture
async def silent_queue(target: QueueTarget) -> AsyncIterator[TaskQueue]:
    queue = EmulatorTaskQueue(target, "127.0.0.1:1", KEY)
    yield queue
    await queue.close()


class TestQueue(TaskQueueContract):
    """On the emulator: what counts as accepted is what it delivers."""

    @pytest.fixture
    def accepted(self, queue: TaskQueue, receiver: Receiver) -> Accepted:
        async def tasks(count: int) -> list[tuple[str, str]]:
            found = [delivery.body for delivery in await delivered(queue, receiver, count)]
            return [(body["run_id"], body["instance"]) for body in found]

        return tasks


async def delivered(queue: TaskQueue, receiver: Receiver, count: int) -> list[Delivery]:
    """So many deliveries, after which there are no more."""
    found = [await receiver.next() for _ in range(count)]
    # Had a task been delivered twice, the second delivery would have come before this one.
    await queue.enqueue([NodeTask(RunId("last"), Instance("main~0"), "ready")])
    assert (await receiver.next()).body.get("run_id") == "last"
    return found


async def test_the_worker_is_called_with_ids_and_a_token_that_it_can_verify(
    queue: TaskQueue, receiver: Receiver, target: QueueTarget
) -> None:
    await queue.enqueue([NodeTask(RunId("r1"), Instance("main~0"), "ready")])
    delivery = await receiver.next()
    assert (delivery.path, delivery.body) == ("/tasks/node", {"run_id": "r1", "instance": "main~0"})
    scheme, _, token = delivery.authorization.partition(" ")
    assert scheme == "Bearer"
    assert await LocalTaskTokens(KEY, target.worker_url, [ACCOUNT]).verify(token) == ACCOUNT


async def test_tasks_about_knowledge_go_to_an_address_of_their_own(
    queue: EmulatorTaskQueue, receiver: Receiver
) -> None:
    one, other = (IngestTask(CollectionId("c1"), DocumentId("d1"), cause) for cause in ("one", "other"))
    await queue.enqueue([one, one, other])
    body = {"collection_id": "c1", "document_id": "d1"}
    for delivery in await delivered(queue, receiver, 2):
        assert (delivery.path, delivery.body) == ("/tasks/ingest", body)


async def test_deliveries_to_webhooks_go_to_an_address_of_their_own(
    queue: EmulatorTaskQueue, receiver: Receiver
) -> None:
    first, second = (DeliveryTask(DeliveryId("d1"), cause) for cause in ("first", "try 2"))
    await queue.enqueue([first, first, second])
    for delivery in await delivered(queue, receiver, 2):
        assert (delivery.path, delivery.body) == ("/tasks/delivery", {"delivery_id": "d1"})


async def test_a_worker_that_is_busy_is_called_again(queue: TaskQueue, receiver: Receiver) -> None:
    receiver.statuses = [409, 503]
    await queue.enqueue([NodeTask(RunId("r1"), Instance("main~0"), "ready")])
    assert [(await receiver.next()).retries for _ in range(3)] == [0, 1, 2]


async def test_a_queue_that_does_not_exist_is_unavailable(target: QueueTarget, host: str) -> None:
    queue = EmulatorTaskQueue(target, host, KEY)
    with pytest.raises(Unavailable):
        await queue.enqueue([NodeTask(RunId("r1"), Instance("main~0"), "ready")])
    await queue.close()
