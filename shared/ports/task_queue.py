"""The queue that calls the worker for what is to be done, once for each task (at least once, in no order)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from shared.domain.ids import DeliveryId, Instance, RunId, hashed_id
from shared.domain.knowledge import CollectionId, DocumentId


@dataclass(frozen=True, slots=True)
class NodeTask:
    """A request to execute one node instance.

    Args:
        run_id: the run.
        instance: the node instance.
        cause: why this task exists: `ready`, `watch`, or what happened to which attempt (`retry 2`) or at which instant
            (`sweep …`); the same cause twice is one task.
        not_before: do not deliver before this instant (a hint: a queue may ignore it, the worker checks the document).
    """

    run_id: RunId
    instance: Instance
    cause: str
    not_before: datetime | None = None

    @property
    def name(self) -> str:
        """The task's name: hashed, because sequential names slow Cloud Tasks down.

        Source: https://cloud.google.com/tasks/docs/creating-http-target-tasks
        """
        return hashed_id(self.run_id, self.instance, self.cause)


@dataclass(frozen=True, slots=True)
class IngestTask:
    """A request to bring what is stored of a document of knowledge in line with its record.

    Args:
        collection_id: the collection.
        document_id: the document; None for the whole of a collection that was deleted.
        cause: why this task exists: the record's revision, or `sweep` and an instant; the same cause twice is one task.
        not_before: as in `NodeTask`.
    """

    collection_id: CollectionId
    document_id: DocumentId | None
    cause: str
    not_before: datetime | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return hashed_id("ingest", self.collection_id, self.document_id or "", self.cause)


@dataclass(frozen=True, slots=True)
class DeliveryTask:
    """A request to try to deliver something to a webhook.

    Args:
        delivery_id: the delivery.
        cause: why this task exists: `first`, `sweep` and an instant, or when its tries began and which one it is; the
            same cause twice is one task.
        not_before: as in `NodeTask`.
    """

    delivery_id: DeliveryId
    cause: str
    not_before: datetime | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return hashed_id("delivery", self.delivery_id, self.cause)


Task: TypeAlias = NodeTask | IngestTask | DeliveryTask
"""What the queue can deliver."""


class TaskQueue(Protocol):
    """Accepts tasks; a task whose name was used before is accepted and not delivered again."""

    async def enqueue(self, tasks: Sequence[NodeTask]) -> None:
        """Hand all tasks to the queue.

        Raises:
            shared.domain.errors.Unavailable: the queue did not accept every task.
        """
        ...


class DeliveryQueue(Protocol):
    """A queue of its own, so that slow receivers hold nothing else up."""

    async def enqueue(self, tasks: Sequence[DeliveryTask]) -> None:
        """As `TaskQueue.enqueue`."""
        ...


class IngestQueue(Protocol):
    """The same queue, for tasks about knowledge."""

    async def enqueue(self, tasks: Sequence[IngestTask]) -> None:
        """As `TaskQueue.enqueue`."""
        ...
