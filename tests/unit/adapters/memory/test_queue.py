from __future__ import annotations

import pytest

from shared.adapters.memory.queue import MemoryTaskQueue
from shared.domain.errors import Unavailable
from shared.domain.ids import Instance, RunId
from shared.ports.task_queue import NodeTask, TaskQueue
from tests.support.port_contracts.task_queue import Accepted, TaskQueueContract


@pytest.fixture
def memory() -> MemoryTaskQueue:
    return MemoryTaskQueue()


class TestQueue(TaskQueueContract):
    """In memory."""

    @pytest.fixture
    def queue(self, memory: MemoryTaskQueue) -> TaskQueue:
        return memory

    @pytest.fixture
    def accepted(self, memory: MemoryTaskQueue) -> Accepted:
        async def tasks(_count: int) -> list[tuple[str, str]]:
            return [(task.run_id, task.instance) for task in memory.accepted]

        return tasks

    @pytest.fixture
    def silent_queue(self) -> TaskQueue:
        queue = MemoryTaskQueue()
        queue.fail_next()
        return queue


FIRST = NodeTask(RunId("r"), Instance("main~0"), "ready")
SECOND = NodeTask(RunId("r"), Instance("main~0"), "retry 1")


async def test_a_name_is_delivered_once_however_often_it_is_enqueued() -> None:
    queue, delivered = MemoryTaskQueue(), list[NodeTask]()

    async def acknowledge(task: NodeTask) -> bool:
        delivered.append(task)
        return True

    await queue.enqueue([FIRST, SECOND, FIRST])
    assert await queue.drain(acknowledge) == 2
    await queue.enqueue([FIRST])
    assert await queue.drain(acknowledge) == 0
    assert delivered == queue.accepted == [FIRST, SECOND]


async def test_what_is_not_acknowledged_is_delivered_again() -> None:
    queue, delivered = MemoryTaskQueue(), list[NodeTask]()

    async def busy_at_first(task: NodeTask) -> bool:
        delivered.append(task)
        if len(delivered) == 1:
            raise RuntimeError("the worker died")
        return len(delivered) > 2

    await queue.enqueue([FIRST])
    with pytest.raises(RuntimeError):
        await queue.deliver_next(busy_at_first)
    assert await queue.drain(busy_at_first) == 2
    queue.redeliver(FIRST)
    assert await queue.deliver_next(busy_at_first) == FIRST
    assert await queue.deliver_next(busy_at_first) is None


async def test_a_handler_that_is_never_content_is_noticed() -> None:
    queue = MemoryTaskQueue()

    async def busy(_task: NodeTask) -> bool:
        return False

    await queue.enqueue([FIRST])
    with pytest.raises(RuntimeError):
        await queue.drain(busy, most=5)
    assert queue.lose_next() == FIRST
    assert not queue.pending


async def test_a_queue_can_be_down() -> None:
    queue = MemoryTaskQueue()
    queue.fail_next()
    with pytest.raises(Unavailable):
        await queue.enqueue([FIRST])
    await queue.enqueue([FIRST])
    assert queue.accepted == [FIRST]
