"""Which queue tasks go to, and what whoever takes them gets of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.ports.task_queue import DeliveryTask, IngestTask, NodeTask, Task

DISPATCH_DEADLINE_SECONDS = 30 * 60
"""How long the worker may take over one delivery; the most that Cloud Tasks allows.

Source: https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2#task
"""


@dataclass(frozen=True, slots=True)
class QueueTarget:
    """A queue, and the function that it calls.

    Args:
        project: the Google Cloud project.
        region: the queue's location.
        queue: its id.
        worker_url: the address of the function that takes the tasks, without a path.
        service_account: the email address of the account whose token the queue shows.
        audience: for whom that token is; by default the worker's address.
    """

    project: str
    region: str
    queue: str
    worker_url: str
    service_account: str
    audience: str | None = None

    @property
    def path(self) -> str:
        """The queue's resource name."""
        return f"projects/{self.project}/locations/{self.region}/queues/{self.queue}"

    def url_of(self, task: Task) -> str:
        """Where the worker takes tasks of this kind."""
        match task:
            case NodeTask():
                kind = "node"
            case IngestTask():
                kind = "ingest"
            case DeliveryTask():
                kind = "delivery"
        return f"{self.worker_url.rstrip('/')}/tasks/{kind}"

    @property
    def token_audience(self) -> str:
        """For whom the token is."""
        return self.audience or self.worker_url

    def task_path(self, task: Task) -> str:
        """The task's resource name."""
        return f"{self.path}/tasks/{task.name}"


def task_body(task: Task) -> bytes:
    """What the worker is told: ids only, because Firestore holds all else."""
    match task:
        case NodeTask():
            ids = {"run_id": task.run_id, "instance": task.instance}
        case IngestTask():
            ids = {"collection_id": task.collection_id, "document_id": task.document_id}
        case DeliveryTask():
            ids = {"delivery_id": task.delivery_id}
    return json.dumps(ids).encode()
