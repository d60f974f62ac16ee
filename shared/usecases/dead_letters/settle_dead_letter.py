"""Settle dead letters: try again what came to nothing, or leave it so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from shared.domain.dead_letters import DeadLetter, DeadLetterId, DeadLetterKind, suspect_path
from shared.domain.errors import Aborted, DomainError, NotFound
from shared.domain.facts import FactId, fact_path
from shared.domain.ids import DeliveryId, RunId
from shared.domain.knowledge import CollectionId, DocumentId, ingestion_path
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.states import is_terminal
from shared.domain.webhooks import WebhookId
from shared.domain.writes import Delete, Update, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.ports.identity import Identity
from shared.usecases.dead_letters.list_dead_letters import open_dead_letter
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.find_lost import find_lost
from shared.usecases.nodes.wake_successors import enqueue_ready
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.webhooks.desk import Desk
from shared.usecases.webhooks.redeliver_message import redeliver_message


@dataclass(frozen=True, slots=True)
class Undertaker:
    """The ports with which dead letters are settled."""

    core: Core
    desk: Desk


async def requeue_dead_letter(undertaker: Undertaker, caller: Identity, letter_id: DeadLetterId) -> None:
    """Let it be tried again, as often as the first time.

    Raises:
        NotFound: there is no such dead letter, it is somebody else's, or what it is about is gone.
        FailedPrecondition: something must be put right first; the message says what.
        Aborted: somebody else settles it, or what it is about is changing; do it again.
        Unavailable: the store or a queue does not answer; do it again.
    """
    letter = await open_dead_letter(undertaker.core.documents, caller, letter_id)
    match letter.kind:
        case DeadLetterKind.DELIVERY:
            await _redeliver(undertaker.desk, letter)
        case DeadLetterKind.FACT:
            await _tell_again(undertaker.core, letter)
        case DeadLetterKind.RUN:
            await _wake_again(undertaker.core, letter)
        case DeadLetterKind.INGESTION:
            await _ingest_again(undertaker.core, letter)


async def discard_dead_letter(undertaker: Undertaker, caller: Identity, letter_id: DeadLetterId) -> None:
    """Leave it so: a message is not sent, a fact not told, a document not ingested, and a run is cancelled.

    Raises:
        NotFound: there is no such dead letter, or it is somebody else's.
        Aborted: somebody else settles it.
        Unavailable: the store does not answer; do it again.
    """
    core = undertaker.core
    letter = await open_dead_letter(core.documents, caller, letter_id)
    writes: list[Write] = []
    match letter.kind:
        case DeadLetterKind.DELIVERY:
            pass  # it has ended, and stays in the log
        case DeadLetterKind.FACT:
            writes = [Delete(_fact(letter))]
        case DeadLetterKind.RUN:
            with suppress(NotFound):
                await cancel_run(core, letter.owner_uid, RunId(letter.subject["run_id"]))
        case DeadLetterKind.INGESTION:
            writes = [Delete(_ingestion(letter))]
    await _settle(core, letter, writes)


async def _redeliver(desk: Desk, letter: DeadLetter) -> None:
    """Its commit takes the letter away too."""
    subject = letter.subject
    try:
        await redeliver_message(
            desk, letter.owner_uid, WebhookId(subject["webhook_id"]), DeliveryId(subject["delivery_id"])
        )
    except NotFound:
        raise NotFound("The webhook or the log of the delivery is gone; discard the dead letter.") from None


async def _tell_again(core: Core, letter: DeadLetter) -> None:
    path, now = _fact(letter), core.clock.now()
    if (await core.documents.get(path)).exists:
        await _settle(core, letter, [Update(path, {"due_at": now, "publishes": 0})])
    else:
        await _settle(core, letter, [])  # it was heard meanwhile
    if core.topic is not None:
        with suppress(DomainError):  # the sweeper publishes it
            await core.topic.publish([FactId(letter.subject["fact_id"])])


async def _wake_again(core: Core, letter: DeadLetter) -> None:
    run_id, now = RunId(letter.subject["run_id"]), core.clock.now()
    found = await core.documents.get(run_path(run_id))
    if found.fields is None or is_terminal(parse(Run, found.fields).state):
        await _settle(core, letter, [])  # it has ended meanwhile
        return
    await _settle(core, letter, [Update(found.path, {"next_sweep_at": now}, seen=found.update_time)])
    lost = await find_lost(core, run_id, now)
    await enqueue_ready(core, run_id, lost.instances, f"requeue {now.isoformat()}")


async def _ingest_again(core: Core, letter: DeadLetter) -> None:
    path = _ingestion(letter)
    if not (await core.documents.get(path)).exists:
        await _settle(core, letter, [])  # it was done meanwhile
        return
    await _settle(core, letter, [Update(path, {"next_sweep_at": core.clock.now()})])  # the next sweep enqueues it


async def _settle(core: Core, letter: DeadLetter, writes: Sequence[Write]) -> None:
    """Take the letter away, and begin to count anew, with what else there is to write."""
    try:
        await core.documents.commit([Delete(letter.path, must_exist=True), Delete(suspect_path(letter.id)), *writes])
    except (CommitRefused, OutcomeUnknown):
        raise Aborted("The dead letter, or what it is about, is changing; try again.", retry_after_seconds=1) from None


def _fact(letter: DeadLetter) -> str:
    return fact_path(FactId(letter.subject["fact_id"]))


def _ingestion(letter: DeadLetter) -> str:
    document = letter.subject.get("document_id")
    collection = CollectionId(letter.subject["collection_id"])
    return ingestion_path(collection, None if document is None else DocumentId(document))
