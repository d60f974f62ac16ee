"""Knowledge where several are at it at once: writers, workers, searchers and whoever cleans up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from shared.domain.errors import Aborted, FailedPrecondition, Unavailable
from shared.domain.knowledge import SWEEP_AFTER, DocumentState, collection_path
from shared.domain.writes import Delete, Update, Vector, Write
from shared.ports.documents import CommitRefused, Committed, OutcomeUnknown, Snapshot
from shared.usecases.knowledge.delete_collection import delete_collection
from shared.usecases.knowledge.delete_document import delete_document
from shared.usecases.knowledge.ingest_document import BATCH
from shared.usecases.knowledge.sweep_ingestions import sweep_ingestions
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.knowledge_rig import ANN, KnowledgeRig
from tests.support.watched_documents import WatchedDocuments

RULES = "Visitors register at the front desk.\n\nThe office opens at nine.\n"


def long_text(paragraphs: int) -> str:
    return "\n\n".join(f"Paragraph {n} is about subject{n}. " + "word " * 200 for n in range(paragraphs))


@pytest.fixture
def rig() -> KnowledgeRig:
    return KnowledgeRig()


class Between(ForwardingDocuments):
    """`Documents` that do something else first, once, at a read or commit that a test picks."""

    def __init__(self, rig: KnowledgeRig, at: Callable[[str], bool], act: Callable[[], Awaitable[object]]) -> None:
        super().__init__(rig.documents)
        self._at = at
        self._act: Callable[[], Awaitable[object]] | None = act
        self._rig = rig
        rig.through = self

    async def _before(self, what: str) -> None:
        act = self._act
        if act is not None and self._at(what):
            self._act = self._rig.through = None
            await act()

    async def get(self, path: str) -> Snapshot:
        await self._before(f"get {path}")
        return await super().get(path)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        await self._before("commit " + " ".join(write.path for write in writes))
        return await super().commit(writes)


async def test_while_a_document_is_replaced_only_the_old_content_is_found(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", "The old answer is seven.")
    await rig.drain()
    found: list[list[str]] = []
    await rig.put(collection, "a.txt", long_text(BATCH + 1))
    task = rig.queue.pending.popleft()
    real = rig.embedder.embed_documents

    async def look_first(texts: Sequence[str]) -> list[Vector]:
        found.append(await rig.search("Paragraph subject word answer"))
        return await real(texts)

    rig.embedder.embed_documents = look_first
    assert await rig.deliver(task)
    assert found == [["a.txt, line 1: The old answer is seven."]] * 2
    assert len(await rig.search("Paragraph subject word")) == 5


async def test_nothing_stays_of_a_revision_that_failed_half_way(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", long_text(BATCH + 1))

    def refuse_the_second_batch() -> None:
        if rig.embedder.embedded:
            raise FailedPrecondition("the embedder refused")

    rig.embedder.before = refuse_the_second_batch
    await rig.drain()
    assert (await rig.document(collection.id, document.id)).state is DocumentState.FAILED
    assert len(rig.embedder.embedded) == BATCH
    assert rig.stored("passages/") == []


async def test_a_document_is_not_put_into_a_collection_that_is_gone_meanwhile(rig: KnowledgeRig) -> None:
    collection = await rig.collection()

    async def remove() -> None:
        await delete_collection(rig.library, ANN, collection.id)
        await rig.drain()

    Between(rig, lambda what: what.startswith("commit") and collection_path(collection.id) in what.split(), remove)
    putting = asyncio.ensure_future(rig.put(collection, "a.txt", RULES))
    await rig.clock.advance(10)
    with pytest.raises(Aborted):
        await putting
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10)
    await rig.drain()
    assert rig.documents.paths == []


async def test_a_collection_to_which_a_document_came_is_not_removed_without_it(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    path = collection_path(collection.id)
    await delete_collection(rig.library, ANN, collection.id)
    removal = rig.queue.pending.popleft()

    async def come_late() -> None:
        await rig.documents.commit([Update(path, {"deleted_at": None})])
        await rig.put(collection, "late.txt", RULES)
        await rig.documents.commit([Update(path, {"deleted_at": rig.clock.now()})])

    Between(rig, lambda what: what.startswith(f"commit {path} "), come_late)
    assert not await rig.deliver(removal)
    assert await rig.deliver(removal)
    await rig.drain()
    assert rig.documents.paths == []


async def test_a_task_from_before_does_not_take_the_bytes_of_a_new_document(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    first = await rig.put(collection, "a.txt", "The old answer is seven.")
    await delete_document(rig.library, ANN, collection.id, first.id)
    await rig.drain()
    redelivered = rig.queue.accepted[-1]
    Between(rig, lambda what: what.startswith(f"commit {first.path} "), lambda: rig.deliver(redelivered))
    await rig.put(collection, "a.txt", "The new answer is eight.")
    await rig.drain()
    assert await rig.search("answer") == ["a.txt, line 1: The new answer is eight."]


@pytest.mark.parametrize("moment", ["get", "commit"])
async def test_whoever_cleans_up_leaves_the_mark_of_a_new_revision(rig: KnowledgeRig, moment: str) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", "The old answer is seven.")
    await rig.drain()
    cleaning = rig.queue.accepted[0]

    async def replace_it() -> None:
        await rig.put(collection, "a.txt", "The new answer is eight.")
        rig.queue.lose_next()

    seen = 0

    def at_the_clean_up(what: str) -> bool:
        nonlocal seen
        seen += what == f"get {document.path}"
        return seen == 2 if moment == "get" else what.startswith(f"commit {document.path} ")

    Between(rig, at_the_clean_up, replace_it)
    assert not await rig.deliver(cleaning)
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    assert await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10) == 1
    await rig.drain()
    assert await rig.search("answer") == ["a.txt, line 1: The new answer is eight."]


async def test_the_sweeper_hands_over_again_what_was_lost_again(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", RULES)
    rig.queue.lose_next()
    for _ in range(3):
        await rig.clock.advance(SWEEP_AFTER.total_seconds())
        assert await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10) == 1
        rig.queue.lose_next()
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10)
    await rig.drain()
    assert len(await rig.search("office")) == 1


@pytest.mark.parametrize("applied", [True, False])
async def test_a_collection_whose_reply_is_lost_is_made_or_asked_for_again(rig: KnowledgeRig, *, applied: bool) -> None:
    watched = WatchedDocuments(rig.documents)
    watched.lose_replies.append((applied, OutcomeUnknown()))
    rig.through = watched
    if not applied:
        with pytest.raises(Unavailable):
            await rig.collection()
    assert (await rig.collection()).name == "handbook"


async def test_a_store_that_loses_everything_is_unavailable_and_one_that_changes_all_the_time_aborts(
    rig: KnowledgeRig,
) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    task = rig.queue.pending.popleft()
    watched = WatchedDocuments(rig.documents)
    rig.through = watched
    watched.lose_replies.extend([(False, OutcomeUnknown())] * 6)
    with pytest.raises(Unavailable, match="was stored"):
        await rig.put(collection, "b.txt", RULES)
    with pytest.raises(Unavailable, match="was made"):
        await delete_document(rig.library, ANN, collection.id, document.id)
    watched.lose_replies.extend([(False, OutcomeUnknown())] * 3)
    with pytest.raises(Unavailable, match="loses every commit"):
        await rig.deliver(task)
    watched.lose_replies.extend([(False, CommitRefused())] * 20)
    deleting = asyncio.ensure_future(delete_document(rig.library, ANN, collection.id, document.id))
    await rig.clock.advance(10)
    with pytest.raises(Aborted, match="keep changing"):
        await deleting
    assert await rig.deliver(task)
    assert len(await rig.search("office")) == 1


async def test_a_content_that_is_damaged_is_a_defect_whose_cause_is_hidden(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    (path,) = rig.stored(f"{document.path}/contents/")
    await rig.documents.commit([Update(path, {"content": b"?"})])
    await rig.drain()
    failed = await rig.document(collection.id, document.id)
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("internal", "an internal error")


async def test_an_embedder_that_makes_other_vectors_is_a_defect(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)

    async def short(texts: Sequence[str]) -> list[Vector]:
        return [Vector((1.0,)) for _ in texts]

    rig.embedder.embed_documents = short
    await rig.drain()
    assert (await rig.document(collection.id, document.id)).state is DocumentState.FAILED


async def test_an_ingestion_in_a_collection_that_is_gone_stops(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", RULES)
    task = rig.queue.pending.popleft()

    async def remove() -> None:
        await delete_collection(rig.library, ANN, collection.id)
        await rig.drain()

    Between(rig, lambda what: what == f"get {collection_path(collection.id)}", remove)
    assert not await rig.deliver(task)
    assert await rig.deliver(task)
    assert rig.documents.paths == []


async def test_a_sweep_whose_commit_is_refused_goes_on_with_the_next_mark(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    for name in ("a.txt", "b.txt"):
        await rig.put(collection, name, RULES)
        rig.queue.lose_next()
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    watched = WatchedDocuments(rig.documents)
    watched.lose_replies.append((False, CommitRefused()))
    assert await sweep_ingestions(watched, rig.queue, rig.clock, 10) == 2
    await rig.drain()
    assert len(await rig.search("office")) == 2


async def test_bytes_whose_mark_changes_meanwhile_are_looked_at_again(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    first = await rig.put(collection, "a.txt", RULES)
    task = rig.queue.pending.popleft()
    await rig.documents.commit([Delete(first.path)])
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    watched = WatchedDocuments(rig.documents)
    rig.through = watched
    watched.lose_replies.extend([(True, OutcomeUnknown()), (False, CommitRefused())])
    assert await rig.deliver(task)
    assert len(rig.stored("ingestions/")) == 1
    assert await rig.deliver(task)
    assert rig.documents.paths == [collection_path(collection.id)]


async def test_whoever_cleans_up_a_document_that_is_gone_has_nothing_to_do(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    await rig.drain()
    reads = 0

    def second_read(what: str) -> bool:
        nonlocal reads
        reads += what == f"get {document.path}"
        return reads == 2

    async def remove() -> None:
        await delete_document(rig.library, ANN, collection.id, document.id)
        await rig.drain()

    Between(rig, second_read, remove)
    assert await rig.deliver(rig.queue.accepted[0])
