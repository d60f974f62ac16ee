"""Names of tasks: Cloud Tasks is slow with names in sequence, and nobody needs to read what a task is about.

Source: https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#Task.FIELDS.name
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shared.adapters.cloud_tasks.target import QueueTarget
from shared.domain.ids import DeliveryId, Instance, RunId
from shared.domain.knowledge import CollectionId, DocumentId
from shared.ports.task_queue import DeliveryTask, IngestTask, NodeTask, Task

TARGET = QueueTarget("acme", "us-central1", "nodes", "https://worker.example", "tasks@acme.iam.gserviceaccount.com")
ID = "3fa9"
"""In hexadecimal digits itself, so that it could stand in a name unseen."""
TASKS: list[Task] = [
    NodeTask(RunId(ID * 5), Instance("main~0"), "ready"),
    IngestTask(CollectionId(ID * 5), DocumentId("d1"), "sweep"),
    DeliveryTask(DeliveryId(ID * 5), "first"),
]
PREFIX = 6


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_name_is_hexadecimal_and_does_not_tell_whose_task_it_is(task: Task) -> None:
    path = TARGET.task_path(task)
    queue, _, name = path.rpartition("/tasks/")
    assert queue == "projects/acme/locations/us-central1/queues/nodes"
    assert re.fullmatch("[0-9a-f]{40}", name)
    assert ID * 5 not in path
    assert TARGET.task_path(replace(task)) == path


def test_neighbours_begin_differently() -> None:
    items = [NodeTask(RunId("r1"), Instance(f"read[{n}]~0"), "ready") for n in range(100)]
    runs = [NodeTask(RunId(f"r{n}"), Instance("main~0"), "ready") for n in range(2, 100)]
    causes = [NodeTask(RunId("r1"), Instance("main~0"), f"retry {n}") for n in range(100)]
    tries = [DeliveryTask(DeliveryId("d1"), f"try {n}") for n in range(100)]
    tasks: list[Task] = [*items, *runs, *causes, *tries]
    assert len({task.name[:PREFIX] for task in tasks}) == len(tasks)


def test_each_part_of_what_a_task_is_about_counts() -> None:
    told = [("r1", "a~0", "ready"), ("r2", "a~0", "ready"), ("r1", "b~0", "ready"), ("r1", "a~0", "watch")]
    names = {NodeTask(RunId(run), Instance(instance), cause).name for run, instance, cause in told}
    assert len(names) == len(told)
