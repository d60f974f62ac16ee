"""Ingest a document of knowledge: read it, split it, embed its passages, and let them be searched.

Any number of workers may try. One claims the record with a token, and each of its commits holds the record as it was
last seen, so whoever was superseded by another worker, a new upload or a deletion writes nothing more. Passages have
the same ids whoever stores them, and `stored` counts them, so a worker that takes over goes on after the last batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain.errors import DomainError, FailedPrecondition, Internal, Unavailable
from shared.domain.knowledge import (
    DIMENSIONS,
    Collection,
    DocumentState,
    KnowledgeDocument,
    StoredPassage,
    collection_path,
    passage_path,
    without_repetition,
)
from shared.domain.knowledge_passages import MAX_PASSAGES, Passage, split_passages
from shared.domain.records import parse, render
from shared.domain.runs import Failure
from shared.domain.writes import Put, Update, Vector, Write
from shared.ports.document_reader import ReadDocument
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.ports.embedder import Embedder
from shared.usecases.knowledge.library import Indexer
from shared.usecases.knowledge.read_content import read_content

CLAIM = timedelta(seconds=120)
"""How long a worker may be silent before another takes over: longer than reading a document or embedding a batch."""
BATCH = 50
MAX_ATTEMPTS = 10
MAX_HEADINGS = 2000
_TRIES = 3


class _Superseded(Exception):
    """The record has changed: somebody else has the document now."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A document that was read."""

    read: ReadDocument
    passages: tuple[Passage, ...]


async def ingest_document(indexer: Indexer, snapshot: Snapshot) -> bool:
    """Ingest the document whose record this is; False if somebody else is at it, or it is to be tried again.

    Raises:
        shared.domain.errors.Unavailable: the store does not answer.
    """
    document = parse(KnowledgeDocument, snapshot.fields or {})
    seen = snapshot.update_time
    if document.token is not None and seen is not None and snapshot.read_time - seen < CLAIM:
        return False
    claim = _Claim(indexer, document, seen)
    try:
        await claim.change({"state": DocumentState.INGESTING, "attempt": document.attempt + 1, "token": claim.token})
        return await _work(claim)
    except _Superseded:
        return False


async def _work(claim: _Claim) -> bool:
    if claim.document.attempt > MAX_ATTEMPTS:
        return await _fail(claim, FailedPrecondition(f"The document was tried {MAX_ATTEMPTS} times without an end."))
    try:
        reading = await _read(claim)
        await _store_passages(claim, reading)
        await _finish(claim, reading)
    except _Superseded:
        raise
    except DomainError as error:
        return await _fail(claim, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported, and tried again a few times
        claim.indexer.report_defect(error)
        return await _fail(claim, Internal("an internal error"))
    return True


class _Claim:
    """The right to write for a document, and its record as it was last seen."""

    def __init__(self, indexer: Indexer, document: KnowledgeDocument, seen: datetime | None) -> None:
        self.indexer = indexer
        self.document = document
        self.token = indexer.library.ids.new()
        self._seen = seen

    async def change(self, fields: dict[str, Any], others: Sequence[Write] = ()) -> None:
        """Change the record, together with other documents.

        Raises:
            _Superseded: somebody else has changed it; nothing was written.
        """
        changed = {**fields, "updated_at": self.indexer.library.clock.now()}
        snapshot = await self._commit([*others, Update(self.document.path, changed, seen=self._seen)])
        stored = snapshot.fields or {}
        # A name that differs was changed by somebody who has taken over since.
        if stored.get("revision") != self.document.revision or any(stored[name] != changed[name] for name in fields):
            raise _Superseded
        self.document, self._seen = parse(KnowledgeDocument, stored), snapshot.update_time

    async def _commit(self, writes: Sequence[Write]) -> Snapshot:
        """Commit, and read what became of the record; again where the commit was lost."""
        documents = self.indexer.library.documents
        for _ in range(_TRIES):
            try:
                await documents.commit(writes)
            except CommitRefused:
                raise _Superseded from None
            except OutcomeUnknown:
                pass  # the record tells
            snapshot = await documents.get(self.document.path)
            if snapshot.update_time != self._seen:
                return snapshot
        raise Unavailable("The document store loses every commit.")


async def _read(claim: _Claim) -> _Reading:
    """The document's text and passages, the same whoever reads it."""
    document = claim.document
    content = await read_content(claim.indexer.library.documents, document)
    read = await claim.indexer.reader.read(document.name, document.mime_type, content, max_headings=MAX_HEADINGS)
    passages = split_passages(read.text, read.headings, read.page_starts)
    if not passages:
        raise FailedPrecondition("No text was found in the document; a scanned one must be recognised first.")
    if len(passages) > MAX_PASSAGES:
        raise FailedPrecondition(
            f"The document has {len(passages):,} passages; {MAX_PASSAGES:,} are the most. Split it."
        )
    return _Reading(read, tuple(passages))


async def _store_passages(claim: _Claim, reading: _Reading) -> None:
    """Embed and store the passages that are not stored yet, batch by batch."""
    embedder = await _embedder(claim)
    while (start := claim.document.stored) < len(reading.passages):
        batch = reading.passages[start : start + BATCH]
        vectors = await embedder.embed_documents([_embedded(claim.document, reading, passage) for passage in batch])
        if len(vectors) != len(batch) or any(len(vector.values) != DIMENSIONS for vector in vectors):
            raise Internal(f"{embedder.name} does not make one vector of {DIMENSIONS} dimensions for each text")
        puts = [
            Put(passage_path(claim.document, start + n), _fields(claim.document, start + n, passage, vector))
            for n, (passage, vector) in enumerate(zip(batch, vectors, strict=True))
        ]
        await claim.change({"stored": start + len(batch), "passages": len(reading.passages)}, puts)


async def _embedder(claim: _Claim) -> Embedder:
    fields = (await claim.indexer.library.documents.get(collection_path(claim.document.collection_id))).fields
    if fields is None:
        raise _Superseded
    name = parse(Collection, fields).embedder
    embedder = claim.indexer.embedders.find(name)
    if embedder is None:
        raise FailedPrecondition(f"This deployment has no embedder {name!r}.")
    return embedder


def _embedded(document: KnowledgeDocument, reading: _Reading, passage: Passage) -> str:
    """What is embedded: a passage alone often does not say what it is about."""
    above = " > ".join(part for part in (reading.read.title or document.name, passage.heading) if part)
    return f"{above}\n{passage.text}"


def _fields(document: KnowledgeDocument, index: int, passage: Passage, vector: Vector) -> dict[str, Any]:
    stored = StoredPassage(
        owner_uid=document.owner_uid,
        collection_id=document.collection_id,
        document_id=document.id,
        revision=document.revision,
        index=index,
        text=passage.text,
        heading=passage.heading,
        first_line=passage.first_line,
        last_line=passage.last_line,
        first_page=passage.page,
        last_page=passage.page,
        vector=vector,
    )
    return {**render(replace(stored, vector=Vector(()))), "vector": vector}


async def _finish(claim: _Claim, reading: _Reading) -> None:
    """Let the revision be searched, and no longer the one before it."""
    document, read = claim.document, reading.read
    before = () if document.live is None else (document.live,)
    stale = without_repetition(name for name in (*document.stale, *before) if name != document.revision)
    await claim.change(
        {
            "state": DocumentState.READY,
            "live": document.revision,
            "stale": list(stale),
            "title": read.title,
            "pages": read.pages,
            "characters": len(read.text),
            "cut": read.cut,
            "token": None,
            "error": None,
            "ingested_at": claim.indexer.library.clock.now(),
        }
    )


async def _fail(claim: _Claim, error: DomainError) -> bool:
    """Note why the document cannot be ingested; False where it is to be tried again."""
    retryable = error.retryable or isinstance(error, Internal)
    if retryable and claim.document.attempt < MAX_ATTEMPTS:
        await claim.change({"token": None})
        return False
    message = "an internal error" if isinstance(error, Internal) else error.message
    failed: dict[str, Any] = {
        "state": DocumentState.FAILED,
        "error": render(Failure(error.code, message, retryable)),
        "stale": list(without_repetition((*claim.document.stale, claim.document.revision))),
        "token": None,
    }
    await claim.change(failed)
    return True
