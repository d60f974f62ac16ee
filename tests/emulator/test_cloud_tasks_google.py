"""The production queue's adapter, against a server that speaks Cloud Tasks on the real wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
import grpc.aio
import pytest
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

from shared.adapters.cloud_tasks.google import CloudTasksQueue, create_request
from shared.adapters.cloud_tasks.target import QueueTarget
from shared.domain.errors import Unavailable
from shared.domain.ids import Instance, RunId
from shared.domain.knowledge import CollectionId
from shared.ports.task_queue import IngestTask, NodeTask, TaskQueue
from tests.support.port_contracts.task_queue import Accepted, TaskQueueContract

TARGET = QueueTarget("acme", "us-central1", "nodes", "https://worker.example", "tasks@acme.iam.gserviceaccount.com")
TASK = NodeTask(RunId("r1"), Instance("main~0"), "ready", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
QUEUE = "projects/acme/locations/us-central1/queues/nodes"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass
class FakeCloudTasks:
    """Cloud Tasks as far as CreateTask goes.

    Args:
        failures: statuses with which the coming calls fail.
        applies_before_failing: whether a failing call has its effect all the same: its reply is lost.
        running: calls that are under way, and the most there were.
    """

    tasks: dict[str, tasks_v2.Task] = field(default_factory=dict[str, tasks_v2.Task])
    failures: list[grpc.StatusCode] = field(default_factory=list[grpc.StatusCode])
    applies_before_failing: bool = False
    calls: int = 0

    async def create_task(self, request: tasks_v2.CreateTaskRequest, context: Context) -> Any:
        self.calls += 1
        assert request.parent == QUEUE
        failure = self.failures.pop(0) if self.failures else None
        is_new = request.task.name not in self.tasks
        if failure is None or self.applies_before_failing:
            self.tasks.setdefault(request.task.name, request.task)
        if failure is not None:
            await context.abort(failure, "as told")
        if not is_new:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "Requested entity already exists")
        return request.task


@pytest.fixture
async def server() -> AsyncIterator[tuple[FakeCloudTasks, int]]:
    fake = FakeCloudTasks()
    wire: Any = tasks_v2  # the library's (de)serialisers carry no types
    create = grpc.unary_unary_rpc_method_handler(
        fake.create_task,
        request_deserializer=wire.CreateTaskRequest.deserialize,
        response_serializer=wire.Task.serialize,
    )
    running = grpc.aio.server()
    running.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.cloud.tasks.v2.CloudTasks", {"CreateTask": create})]
    )
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield fake, port
    await running.stop(None)


async def queue_at(port: int, deadline_seconds: float = 10.0) -> AsyncIterator[TaskQueue]:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    client = tasks_v2.CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=channel))
    yield CloudTasksQueue(TARGET, client, deadline_seconds=deadline_seconds)
    await channel.close()


@pytest.fixture
def fake(server: tuple[FakeCloudTasks, int]) -> FakeCloudTasks:
    return server[0]


@pytest.fixture
async def queue(server: tuple[FakeCloudTasks, int]) -> AsyncIterator[TaskQueue]:
    async for queue in queue_at(server[1]):
        yield queue


@pytest.fixture
async def silent_queue() -> AsyncIterator[TaskQueue]:
    async for queue in queue_at(1, deadline_seconds=0.2):
        yield queue


class TestQueue(TaskQueueContract):
    """On Cloud Tasks."""

    @pytest.fixture
    def accepted(self, fake: FakeCloudTasks) -> Accepted:
        async def tasks(_count: int) -> list[tuple[str, str]]:
            bodies = [json.loads(task.http_request.body) for task in fake.tasks.values()]
            return [(body["run_id"], body["instance"]) for body in bodies]

        return tasks


async def test_a_task_says_whom_to_call_as_whom_when_and_for_how_long(queue: TaskQueue, fake: FakeCloudTasks) -> None:
    await queue.enqueue([TASK])
    task: Any = next(iter(fake.tasks.values()))
    assert task.name == f"{QUEUE}/tasks/{TASK.name}"
    assert len(TASK.name) == 40
    assert task.schedule_time == TASK.not_before
    assert task.dispatch_deadline.total_seconds() == 1800
    assert task.http_request.url == "https://worker.example/tasks/node"
    assert task.http_request.http_method == tasks_v2.HttpMethod.POST
    assert dict(task.http_request.headers) == {"Content-Type": "application/json"}
    assert json.loads(task.http_request.body) == {"run_id": "r1", "instance": "main~0"}
    assert task.http_request.oidc_token.service_account_email == TARGET.service_account
    assert task.http_request.oidc_token.audience == "https://worker.example"


async def test_a_task_without_a_delay_has_no_schedule(queue: TaskQueue, fake: FakeCloudTasks) -> None:
    await queue.enqueue([NodeTask(RunId("r1"), Instance("main~0"), "ready")])
    (task,) = fake.tasks.values()
    assert "schedule_time" not in task


@pytest.mark.parametrize("applied", [True, False], ids=["after it took effect", "before"])
async def test_a_lost_reply_is_repeated_once_and_no_more(
    queue: TaskQueue, fake: FakeCloudTasks, *, applied: bool
) -> None:
    fake.failures, fake.applies_before_failing = [grpc.StatusCode.UNAVAILABLE], applied
    await queue.enqueue([TASK])
    assert (fake.calls, len(fake.tasks)) == (2, 1)


async def test_one_refused_task_does_not_keep_the_others_back(queue: TaskQueue, fake: FakeCloudTasks) -> None:
    fake.failures = [grpc.StatusCode.PERMISSION_DENIED]
    tasks = [NodeTask(RunId("r1"), Instance(f"n[{n}]~0"), "ready") for n in range(3)]
    with pytest.raises(Unavailable):
        await queue.enqueue(tasks)
    assert (fake.calls, len(fake.tasks)) == (3, 2)
    await queue.enqueue(tasks)
    assert len(fake.tasks) == 3


def test_a_task_about_knowledge_goes_to_its_own_address() -> None:
    task = IngestTask(CollectionId("c1"), None, "delete")
    request = create_request(TARGET, task).task.http_request
    assert request.url == "https://worker.example/tasks/ingest"
    assert json.loads(request.body) == {"collection_id": "c1", "document_id": None}
