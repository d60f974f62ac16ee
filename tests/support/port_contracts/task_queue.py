"""What every `TaskQueue` adapter promises. Subclasses provide the fixtures `queue`, `accepted` and `silent_queue`."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from shared.domain.errors import Unavailable
from shared.domain.ids import Instance, RunId
from shared.ports.task_queue import NodeTask, TaskQueue

Accepted: TypeAlias = Callable[[int], Awaitable[list[tuple[str, str]]]]
"""Waits until so many tasks are there, and returns the run and instance of all, in any order."""


def some_run() -> RunId:
    return RunId(secrets.token_hex(8))


class TaskQueueContract:
    """Acceptance, names, and failure."""

    async def test_every_task_is_accepted_with_its_ids(self, queue: TaskQueue, accepted: Accepted) -> None:
        run = some_run()
        later = datetime(2030, 1, 1, tzinfo=UTC)
        await queue.enqueue(
            [NodeTask(run, Instance("review[3]~0"), "ready"), NodeTask(run, Instance("$end~0"), "x", later)]
        )
        assert sorted(await accepted(2)) == [(run, "$end~0"), (run, "review[3]~0")]

    async def test_the_same_cause_twice_is_one_task(self, queue: TaskQueue, accepted: Accepted) -> None:
        run, other = some_run(), some_run()
        task = NodeTask(run, Instance("main~0"), "ready")
        await queue.enqueue([task, task])
        await queue.enqueue([task])
        await queue.enqueue(
            [NodeTask(run, Instance("main~0"), "retry 1"), NodeTask(other, Instance("main~0"), "ready")]
        )
        assert sorted(await accepted(3)) == sorted([(run, "main~0"), (run, "main~0"), (other, "main~0")])

    async def test_no_task_is_no_work(self, queue: TaskQueue, accepted: Accepted) -> None:
        await queue.enqueue([])
        assert await accepted(0) == []

    async def test_a_wide_fan_out_is_accepted_whole(self, queue: TaskQueue, accepted: Accepted) -> None:
        run = some_run()
        instances = [Instance(f"review[{n}]~0") for n in range(300)]
        await queue.enqueue([NodeTask(run, instance, "ready") for instance in instances])
        assert sorted(await accepted(300)) == sorted((run, instance) for instance in instances)

    async def test_a_queue_that_does_not_answer_is_unavailable(self, silent_queue: TaskQueue) -> None:
        with pytest.raises(Unavailable):
            await silent_queue.enqueue([NodeTask(some_run(), Instance("main~0"), "ready")])
