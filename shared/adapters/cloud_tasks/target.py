"""Which queue tasks go to, and what the worker gets of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.ports.task_queue import NodeTask

DISPATCH_DEADLINE_SECONDS = 30 * 60
"""How long the worker may take over one delivery; the most that Cloud Tasks allows.

Source: https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2#task
"""


@dataclass(frozen=True, slots=True)
class QueueTarget:
    """A queue, and the worker that it calls.

    Args:
        project: the Google Cloud project.
        region: the queue's location.
        queue: its id.
        worker_url: the worker's address, without a path.
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

    @property
    def node_url(self) -> str:
        """Where the worker takes node tasks."""
        return f"{self.worker_url.rstrip('/')}/tasks/node"

    @property
    def token_audience(self) -> str:
        """For whom the token is."""
        return self.audience or self.worker_url

    def task_path(self, task: NodeTask) -> str:
        """The task's resource name."""
        return f"{self.path}/tasks/{task.name}"


def node_body(task: NodeTask) -> bytes:
    """What the worker is told: ids only, because Firestore holds all else."""
    return json.dumps({"run_id": task.run_id, "instance": task.instance}).encode()
