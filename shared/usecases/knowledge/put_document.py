"""Bring a document into a collection of knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain.artifact_names import artifact_name
from shared.domain.artifacts import digest_of
from shared.domain.errors import Aborted, Unavailable
from shared.domain.ids import Uid
from shared.domain.knowledge import (
    Collection,
    CollectionId,
    DocumentState,
    KnowledgeDocument,
    check_content,
    collection_path,
    count_chunks,
    document_id_of,
    document_path,
    plan_content,
    without_repetition,
)
from shared.domain.media_types import detect_media_type
from shared.domain.records import parse, render
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Documents, OutcomeUnknown, Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.knowledge.get_collection import get_own_collection
from shared.usecases.knowledge.hand_over import hand_over, mark
from shared.usecases.knowledge.library import Library

_TRIES = 3


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to bring.

    Args:
        name: a relative path; the document of that name is replaced.
        content: its bytes.
        mime_type: the media type; None to detect it.
    """

    name: str
    content: bytes
    mime_type: str | None = None


async def put_document(
    library: Library, uid: Uid, collection_id: CollectionId, new: NewDocument
) -> tuple[KnowledgeDocument, bool]:
    """Store the document and have it ingested; it, and whether there was anything to do.

    What was searched before stays searched until the new content is ready. The same content again is only ingested
    if that failed.

    Raises:
        NotFound: there is no such collection for this person.
        PermissionDenied: the person may read the collection but not change it.
        InvalidArgument: name or content cannot be stored.
        Aborted: the document was deleted and is still being removed.
        Unavailable: the store or the queue does not answer.
    """
    collection = await get_own_collection(library.documents, uid, collection_id)
    document = _brought(library, collection, new)
    unchanged = await _unchanged(library, document)
    if unchanged is not None:
        return unchanged, False
    await _store_content(library, document, new.content)

    async def put(snapshot: Snapshot) -> Change[KnowledgeDocument]:
        return _put(library, document, snapshot)

    stored = await change_record(library.documents, library.clock, document.path, put)
    await hand_over(library, collection_id, document.id, document.revision)
    return stored, True


def _brought(library: Library, collection: Collection, new: NewDocument) -> KnowledgeDocument:
    name = artifact_name(new.name)
    check_content(new.content, new.mime_type)
    now = library.clock.now()
    return KnowledgeDocument(
        id=document_id_of(collection.id, name),
        collection_id=collection.id,
        owner_uid=collection.owner_uid,
        name=name,
        mime_type=new.mime_type or detect_media_type(name, new.content),
        size_bytes=len(new.content),
        digest=digest_of(new.content),
        upload=library.ids.new(),
        chunks=count_chunks(new.content),
        revision=library.ids.new(),
        state=DocumentState.PENDING,
        created_at=now,
        updated_at=now,
    )


async def _unchanged(library: Library, document: KnowledgeDocument) -> KnowledgeDocument | None:
    """The document that is there, if it is this one and did not fail."""
    fields = (await library.documents.get(document_path(document.collection_id, document.id))).fields
    if fields is None:
        return None
    stored = parse(KnowledgeDocument, fields)
    same = (stored.digest, stored.mime_type) == (document.digest, document.mime_type)
    return stored if same and stored.deleted_at is None and stored.state is not DocumentState.FAILED else None


async def _store_content(library: Library, document: KnowledgeDocument, content: bytes) -> None:
    """Store the bytes; nothing refers to them yet, but the sweeper will look whether anything ever does."""
    marked = mark(library.clock, document.collection_id, document.id)
    for writes in plan_content(document, content):
        await _store(library.documents, [*writes, marked])


async def _store(documents: Documents, writes: Sequence[Write]) -> None:
    """Commit writes that may be repeated, for none of them has a condition."""
    for _ in range(_TRIES):
        try:
            await documents.commit(writes)
        except OutcomeUnknown:
            continue
        return
    raise Unavailable("The document store does not say whether the document was stored; try again.")


def _put(library: Library, document: KnowledgeDocument, snapshot: Snapshot) -> Change[KnowledgeDocument]:
    """Make the document the one of its name, if it is not so already."""
    marked = mark(library.clock, document.collection_id, document.id)
    # Its collection must exist, and whoever is removing the collection must see that there is another document.
    touched = Update(collection_path(document.collection_id), {"updated_at": document.updated_at})
    if snapshot.fields is None:
        return Change(document, [Create(snapshot.path, render(document)), touched, marked])
    stored = parse(KnowledgeDocument, snapshot.fields)
    if stored.revision == document.revision:
        return Change(stored)
    if stored.deleted_at is not None:
        raise Aborted("A document of this name is still being removed; try again.", retry_after_seconds=5)
    replaced = replace(
        document,
        created_at=stored.created_at,
        live=stored.live,
        stale=superseded(stored, upload=True),
    )
    return Change(document, [Update(snapshot.path, render(replaced), seen=snapshot.update_time), touched, marked])


def superseded(stored: KnowledgeDocument, *, upload: bool) -> tuple[str, ...]:
    """What is to be removed of a document whose revision is replaced: all of it but what is searched."""
    names = (*stored.stale, stored.revision, *([stored.upload] if upload else []))
    return without_repetition(name for name in names if name != stored.live)
