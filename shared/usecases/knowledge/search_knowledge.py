"""Search collections of knowledge for passages that answer a question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.knowledge import (
    PASSAGES,
    Collection,
    CollectionId,
    KnowledgeDocument,
    StoredPassage,
    collection_path,
    document_path,
    meant_collection_id,
)
from shared.domain.records import parse
from shared.domain.writes import Vector
from shared.ports.documents import Documents, Filter
from shared.ports.vector_index import MAX_NEIGHBOURS, Near, NearestQuery
from shared.usecases.knowledge.library import Searcher

_SPARE = 10
"""How many more passages are asked for than wanted: some may be of a revision that is not searched."""
_GROWTH = 10
"""How many times more are asked for where those of a revision that is on its way have crowded the others out."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found, and where it stands.

    Args:
        score: how near it is to the question: 1 in the same direction, 0 unlike, or less.
    """

    passage: StoredPassage
    document: KnowledgeDocument
    collection: Collection
    score: float


async def search_knowledge(
    searcher: Searcher, uid: Uid, names: Sequence[str], question: str, limit: int
) -> list[Found]:
    """The passages nearest to the question in collections that this person may read, the nearest first.

    Args:
        searcher: the ports.
        uid: who asks.
        names: collections, each by the name of one of this person's own, or by its id.
        question: what to look for.
        limit: the most passages.

    Raises:
        FailedPrecondition: a collection is not there for this person, or its embedder is not.
        Unavailable: the store or an embedder does not answer.
    """
    collections = await _resolve(searcher.documents, uid, names)
    vectors = await _embed(searcher, {collection.embedder for collection in collections}, question)
    by_id = {collection.id: collection for collection in collections}
    size = 2 * limit + _SPARE
    while True:
        asked = [nearest_query(collection.id, vectors[collection.embedder], size) for collection in collections]
        answers = await asyncio.gather(*(searcher.index.nearest(query) for query in asked))
        near = sorted((one for answer in answers for one in answer), key=lambda one: (one.distance, one.snapshot.id))
        found = await _searchable(searcher.documents, near, by_id)
        is_all = size == MAX_NEIGHBOURS or all(len(answer) < size for answer in answers)
        if len(found) >= limit or is_all:
            return found[:limit]
        size = min(size * _GROWTH, MAX_NEIGHBOURS)


def nearest_query(collection_id: CollectionId, vector: Vector, size: int) -> NearestQuery:
    """The search in one collection, which its index serves."""
    where = (Filter("collection_id", "==", collection_id),)
    return NearestQuery(PASSAGES, where, "vector", vector, size)


async def _resolve(documents: Documents, uid: Uid, names: Sequence[str]) -> list[Collection]:
    """The collections, each once."""
    ids = [meant_collection_id(uid, name) for name in names]
    snapshots = await documents.get_many([collection_path(one) for one in ids])
    found: dict[CollectionId, Collection] = {}
    for name, snapshot in zip(names, snapshots, strict=True):
        collection = None if snapshot.fields is None else parse(Collection, snapshot.fields)
        if collection is None or not collection.is_seen_by(uid):
            raise FailedPrecondition(f"There is no collection of knowledge {name!a} that you may read.")
        found[collection.id] = collection
    return list(found.values())


async def _embed(searcher: Searcher, names: set[str], question: str) -> dict[str, Vector]:
    """The question as each embedder sees it."""
    vectors: dict[str, Vector] = {}
    for name in sorted(names):
        embedder = searcher.embedders.find(name)
        if embedder is None:
            raise FailedPrecondition(f"This deployment has no embedder {name!r}, with which a collection was made.")
        vectors[name] = await embedder.embed_query(question)
    return vectors


async def _searchable(
    documents: Documents, near: Sequence[Near], collections: dict[CollectionId, Collection]
) -> list[Found]:
    """The passages of the revisions that are searched now, each with its document."""
    passages = [(parse(StoredPassage, one.snapshot.fields or {}), one.distance) for one in near]
    paths = dict.fromkeys(document_path(passage.collection_id, passage.document_id) for passage, _ in passages)
    records = {
        snapshot.path: parse(KnowledgeDocument, snapshot.fields)
        for snapshot in await documents.get_many(list(paths))
        if snapshot.fields is not None
    }
    found: list[Found] = []
    for passage, distance in passages:
        document = records.get(document_path(passage.collection_id, passage.document_id))
        if document is not None and document.deleted_at is None and document.live == passage.revision:
            found.append(Found(passage, document, collections[passage.collection_id], 1 - distance))
    return found
