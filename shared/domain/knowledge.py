"""Knowledge: collections of documents that agents search, and what is known of each document.

`knowledge/{collection}` and below it `documents/{id}` are what people see. Of a document, `contents/{upload}-{n}` hold
the bytes as they were brought. The passages that are searched lie in one collection of their own, `passages`, so that
one index serves them all. `ingestions/{id}` marks what is not in line with its record yet, for the sweeper.

An upload and a revision have names that are used once: what belongs to a superseded one can be removed at any time,
and a passage counts only while its revision is the document's `live` one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shared.domain.artifacts import CHUNK_BYTES, COMMIT_BYTES
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import Uid, hashed_id
from shared.domain.media_types import media_type_fault
from shared.domain.runs import Failure
from shared.domain.writes import Put, Vector

CollectionId = NewType("CollectionId", str)
DocumentId = NewType("DocumentId", str)

_ID = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
MAX_DOCUMENT_BYTES = 10 * 1024 * 1024
MAX_DESCRIPTION_CHARACTERS = 1000
MAX_READERS = 100
DIMENSIONS = 768
"""Of every vector, since one index serves them all; the least that Google recommends of its embeddings.

Source: https://ai.google.dev/gemini-api/docs/embeddings#control-embedding-size
"""
PASSAGES = "passages"
INGESTIONS = "ingestions"
COLLECTIONS = "knowledge"
SWEEP_AFTER = timedelta(minutes=5)
"""When to look whether a task about a document was lost."""


@dataclass(frozen=True, slots=True)
class Collection:
    """The document `knowledge/{id}`.

    Args:
        name: unique among its owner's.
        embedder: what makes its vectors; those of two embedders cannot be compared.
        readers: people besides the owner whose agents may search it.
        deleted_at: when it was deleted; it is gone for everybody, and removed in the background.
    """

    id: CollectionId
    owner_uid: Uid
    name: str
    embedder: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    readers: tuple[Uid, ...] = ()
    deleted_at: datetime | None = None

    def is_seen_by(self, uid: Uid) -> bool:
        """Whether this person may read it."""
        return self.deleted_at is None and uid in {self.owner_uid, *self.readers}


class DocumentState(StrEnum):
    """How far a document is on its way into the index."""

    PENDING = "pending"
    INGESTING = "ingesting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class KnowledgeDocument:
    """The document `knowledge/{collection}/documents/{id}`.

    Args:
        name: a relative path, unique in the collection.
        digest: SHA-256 of the content, in hex.
        upload: names the content that was brought last.
        chunks: how many pieces the content has.
        revision: names what is to be searched; a new one for each upload and each refresh.
        live: the revision that is searched now; None as long as there was none. After a failure it stays.
        stale: uploads and revisions whose remains are still to be removed.
        passages: how many the revision has, once that is known.
        stored: how many of them are stored.
        pages: how many pages the document has, where there are pages.
        cut: whether only the beginning is searched, because the document is too long.
        attempt: how often the revision was worked on.
        token: the mark of the worker that works on it now.
        error: why it failed.
    """

    id: DocumentId
    collection_id: CollectionId
    owner_uid: Uid
    name: str
    mime_type: str
    size_bytes: int
    digest: str
    upload: str
    chunks: int
    revision: str
    state: DocumentState
    created_at: datetime
    updated_at: datetime
    live: str | None = None
    stale: tuple[str, ...] = ()
    title: str | None = None
    pages: int | None = None
    characters: int | None = None
    passages: int | None = None
    stored: int = 0
    cut: bool = False
    attempt: int = 0
    token: str | None = None
    error: Failure | None = None
    ingested_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where it is stored."""
        return document_path(self.collection_id, self.id)

    @property
    def is_searched(self) -> bool:
        """Whether a revision, maybe an earlier one, is searched."""
        return self.live is not None

    @property
    def is_settled(self) -> bool:
        """Whether the revision has come to its end."""
        return self.state in {DocumentState.READY, DocumentState.FAILED}


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """The document `passages/{id}`.

    Args:
        index: its number in the document, from 0.
        heading: the headings above it, outermost first.
        first_line: where it begins in the document's text, from 1.
        first_page: where it begins, where there are pages.
    """

    owner_uid: Uid
    collection_id: CollectionId
    document_id: DocumentId
    revision: str
    index: int
    text: str
    heading: str
    first_line: int
    last_line: int
    first_page: int | None
    last_page: int | None
    vector: Vector

    @property
    def place(self) -> str:
        """Where it stands, for a citation: `page 3`, `lines 10-24`."""
        if self.first_page is not None:
            return _span("page", self.first_page, self.last_page or self.first_page)
        return _span("line", self.first_line, self.last_line)


@dataclass(frozen=True, slots=True)
class Ingestion:
    """The document `ingestions/{id}`: something is to be done about a document, or about a collection (None).

    Args:
        marked_at: when there was something to do last.
        next_sweep_at: when the sweeper will see whether it was done.
    """

    collection_id: CollectionId
    document_id: DocumentId | None
    marked_at: datetime
    next_sweep_at: datetime


def _span(unit: str, first: int, last: int) -> str:
    return f"{unit} {first}" if first == last else f"{unit}s {first}-{last}"


def collection_id_of(owner_uid: Uid, name: str) -> CollectionId:
    """The id of somebody's collection of that name: there is at most one."""
    return CollectionId(hashed_id("knowledge", owner_uid, name))


def document_id_of(collection_id: CollectionId, name: str) -> DocumentId:
    """The id of a collection's document of that name: there is at most one."""
    return DocumentId(hashed_id("document", collection_id, name))


def meant_collection_id(uid: Uid, named: str) -> CollectionId:
    """The id of the collection that a definition names where this person runs it: by its id, or as one of their own."""
    return CollectionId(named) if _ID.fullmatch(named) else collection_id_of(uid, named)


def collection_path(collection_id: CollectionId) -> str:
    """Where a collection is stored."""
    return f"{COLLECTIONS}/{collection_id}"


def documents_path(collection_id: CollectionId) -> str:
    """The collection of a collection's documents."""
    return f"{collection_path(collection_id)}/documents"


def document_path(collection_id: CollectionId, document_id: DocumentId) -> str:
    """Where a document is stored."""
    return f"{documents_path(collection_id)}/{document_id}"


def contents_path(collection_id: CollectionId, document_id: DocumentId) -> str:
    """The collection of a document's bytes."""
    return f"{document_path(collection_id, document_id)}/contents"


def content_paths(document: KnowledgeDocument) -> list[str]:
    """Where the pieces of a document's bytes are stored, in order."""
    collection = contents_path(document.collection_id, document.id)
    return [f"{collection}/{document.upload}-{n:04}" for n in range(document.chunks)]


def passage_path(document: KnowledgeDocument, index: int) -> str:
    """Where a passage of the document's revision is stored."""
    return f"{PASSAGES}/{hashed_id(document.collection_id, document.id, document.revision, str(index))}"


def ingestion_path(collection_id: CollectionId, document_id: DocumentId | None) -> str:
    """Where it is marked that something is to be done."""
    return f"{INGESTIONS}/{hashed_id(collection_id, document_id or '')}"


def plan_content(document: KnowledgeDocument, content: bytes) -> list[list[Put]]:
    """The commits that store a document's bytes."""
    pieces = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    puts = [
        Put(path, {"owner_uid": document.owner_uid, "upload": document.upload, "content": piece})
        for path, piece in zip(content_paths(document), pieces, strict=True)
    ]
    most = COMMIT_BYTES // CHUNK_BYTES
    return [puts[start : start + most] for start in range(0, len(puts), most)]


def count_chunks(content: bytes) -> int:
    """In how many pieces the bytes are stored."""
    return -(-len(content) // CHUNK_BYTES)


def without_repetition(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once, in their order."""
    return tuple(dict.fromkeys(names))


def collection_faults(name: str, description: str) -> tuple[Fault, ...]:
    """Why a collection cannot be called or described so."""
    faults: list[Fault] = []
    if not _NAME.fullmatch(name):
        reason = "must be lower-case letters, digits, '_' or '-', start with a letter, 64 at most"
        faults.append(Fault("name", reason))
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        faults.append(Fault("description", f"must have {MAX_DESCRIPTION_CHARACTERS} characters at most"))
    return tuple(faults)


def check_content(content: bytes, mime_type: str | None) -> None:
    """Refuse bytes that cannot be a document.

    Raises:
        InvalidArgument: with the fault.
    """
    reason = None
    if not content:
        reason = "is empty"
    elif len(content) > MAX_DOCUMENT_BYTES:
        reason = f"has {len(content):,} bytes; {MAX_DOCUMENT_BYTES:,} are the most"
    if reason:
        raise InvalidArgument(f"The document {reason}.", (Fault("content", reason),))
    if mime_type is not None and (fault := media_type_fault(mime_type)):
        raise InvalidArgument("The media type is none.", (fault,))
