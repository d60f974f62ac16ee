"""Change the record of a document or a collection, and hand what follows from it to the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared.domain.errors import Aborted, Unavailable
from shared.domain.knowledge import SWEEP_AFTER, CollectionId, DocumentId, Ingestion, ingestion_path
from shared.domain.records import render
from shared.domain.writes import Put, Write
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.ports.task_queue import IngestTask
from shared.usecases.knowledge.library import Library

T = TypeVar("T")
TRIES = 20
_MAX_LOST_REPLIES = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a record as it was read: the writes, which hold its update time against others' changes."""

    writes: Sequence[Write]


async def change_record(documents: Documents, path: str, decide: Callable[[Snapshot], Change | T]) -> T | None:
    """Change the record at `path` as `decide` says, on what is there; None when it was changed.

    `decide` is asked again after every refusal or unknown outcome, and so finds its own change, which it answers with
    anything else than a `Change`: that is returned.

    Raises:
        Aborted: others change the record all the time.
        Unavailable: the store does not say what became of the change.
    """
    lost_replies = 0
    for _ in range(TRIES):
        decided = decide(await documents.get(path))
        if not isinstance(decided, Change):
            return decided
        try:
            await documents.commit(decided.writes)
        except CommitRefused:
            continue
        except OutcomeUnknown as error:
            lost_replies += 1
            if lost_replies == _MAX_LOST_REPLIES:
                raise Unavailable("The document store does not say whether the change was made.") from error
        else:
            return None
    raise Aborted("Others keep changing the same.", retry_after_seconds=1)


def mark(clock: Clock, collection_id: CollectionId, document_id: DocumentId | None) -> Put:
    """The write that has the sweeper look after what is to be done."""
    now = clock.now()
    ingestion = Ingestion(collection_id, document_id, now, now + SWEEP_AFTER)
    return Put(ingestion_path(collection_id, document_id), render(ingestion))


async def hand_over(library: Library, collection_id: CollectionId, document_id: DocumentId | None, cause: str) -> None:
    """Have the worker bring what is stored in line with the record.

    Raises:
        Unavailable: the queue does not answer; the sweeper will hand it over.
    """
    await library.queue.enqueue([IngestTask(collection_id, document_id, cause)])
