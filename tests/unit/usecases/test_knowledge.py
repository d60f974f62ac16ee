"""Knowledge: collections and documents, their way into the index, and what a search finds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.domain.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from shared.domain.knowledge import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_DOCUMENT_BYTES,
    SWEEP_AFTER,
    Collection,
    DocumentId,
    DocumentState,
    collection_path,
)
from shared.domain.records import parse
from shared.domain.writes import Update, Vector
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.delete_collection import delete_collection
from shared.usecases.knowledge.delete_document import delete_document
from shared.usecases.knowledge.get_collection import get_collection, list_collections
from shared.usecases.knowledge.get_document import get_document, list_documents
from shared.usecases.knowledge.ingest_document import BATCH, CLAIM, MAX_ATTEMPTS
from shared.usecases.knowledge.put_document import NewDocument, put_document
from shared.usecases.knowledge.refresh_document import refresh_document
from shared.usecases.knowledge.sweep_ingestions import sweep_ingestions
from tests.support.knowledge_rig import ANN, BOB, KnowledgeRig

MANUAL = "# Anvil\n\nThe anvil weighs ninety kilograms.\n\n## Warranty\n\nThe warranty lasts ten years.\n"
RULES = "Visitors register at the front desk.\n\nThe office opens at nine.\n"


def long_text(paragraphs: int) -> str:
    return "\n\n".join(f"Paragraph {n} is about subject{n}. " + "word " * 200 for n in range(paragraphs))


@pytest.fixture
def rig() -> KnowledgeRig:
    return KnowledgeRig()


async def test_a_document_becomes_ready_and_is_found_with_its_place(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    manual = await rig.put(collection, "manual.md", MANUAL)
    await rig.put(collection, "rules.txt", RULES)
    assert manual.state is DocumentState.PENDING
    assert await rig.search("warranty") == []

    await rig.drain()

    ready = await rig.document(collection.id, manual.id)
    assert (ready.state, ready.title, ready.passages, ready.stored) == (DocumentState.READY, "Anvil", 2, 2)
    assert ready.ingested_at is not None
    assert (await rig.search("How long is the warranty?"))[0] == (
        "manual.md, lines 5-7: ## Warranty\n\nThe warranty lasts ten years."
    ).replace("\n\n", "\n")
    assert (await rig.search("when does the office open", limit=1))[0].startswith("rules.txt, lines 1-3: Visitors")
    assert rig.stored("ingestions/") == []
    assert rig.defects == []


async def test_a_new_content_replaces_what_was_searched_once_it_is_ready(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    first = await rig.put(collection, "a.txt", "The old answer is seven.")
    await rig.drain()
    second = await rig.put(collection, "a.txt", "The new answer is eight.")
    assert (second.id, second.created_at) == (first.id, first.created_at)
    assert await rig.search("answer") == ["a.txt, line 1: The old answer is seven."]

    await rig.drain()

    assert await rig.search("answer") == ["a.txt, line 1: The new answer is eight."]
    assert len(rig.stored("passages/")) == 1
    assert len(rig.stored(f"{second.path}/contents/")) == 1


async def test_the_same_content_again_is_not_ingested_again(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", RULES)
    await rig.drain()

    again, changed = await put_document(rig.library, ANN, collection.id, NewDocument("./a.txt", RULES.encode()))

    assert (again.state, changed) == (DocumentState.READY, False)
    assert len(rig.queue.accepted) == 1


async def test_a_document_that_cannot_be_read_fails_with_its_reason_and_the_old_content_stays(
    rig: KnowledgeRig,
) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", RULES)
    await rig.drain()
    broken = await rig.put(collection, "a.txt", "broken")
    await rig.drain()

    failed = await rig.document(collection.id, broken.id)
    assert failed.state is DocumentState.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == (
        "failed_precondition",
        "The document is broken, so it cannot be read.",
    )
    assert len(await rig.search("office")) == 1
    await rig.put(collection, "a.txt", "broken")
    await rig.drain()
    assert len(rig.queue.accepted) == 3
    assert rig.stored("ingestions/") == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (" \n\n ", "No text was found in the document; a scanned one must be recognised first."),
        (
            "\n\n".join("x" * 1300 for _ in range(2001)),
            "The document has 2,001 passages; 2,000 are the most. Split it.",
        ),
    ],
    ids=["nothing in it", "too long"],
)
async def test_a_document_without_or_with_too_many_passages_fails(rig: KnowledgeRig, content: str, reason: str) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.md", content)
    await rig.drain()

    failed = await rig.document(collection.id, document.id)
    assert failed.error is not None
    assert failed.error.message == reason


async def test_a_refresh_reads_the_stored_content_anew(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    await rig.drain()
    rig.embedder.embedded.clear()

    refreshed = await refresh_document(rig.library, ANN, collection.id, document.id)
    assert refreshed.state is DocumentState.PENDING
    assert len(await rig.search("office")) == 1
    await rig.drain()

    assert len(rig.embedder.embedded) == 1
    assert (await rig.document(collection.id, document.id)).state is DocumentState.READY
    assert len(rig.stored("passages/")) == 1


async def test_a_deleted_document_is_gone_at_once_and_then_wholly(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    await rig.drain()

    await delete_document(rig.library, ANN, collection.id, document.id)

    assert await rig.search("office") == []
    with pytest.raises(NotFound):
        await rig.document(collection.id, document.id)
    with pytest.raises(NotFound):
        await delete_document(rig.library, ANN, collection.id, document.id)
    with pytest.raises(Aborted, match="still being removed"):
        await rig.put(collection, "a.txt", RULES)
    with pytest.raises(NotFound):
        await refresh_document(rig.library, ANN, collection.id, document.id)
    await rig.drain()
    left = [path for path in rig.documents.paths if not path.startswith("knowledge/") or "documents" in path]
    # The refused upload is forgotten when the sweeper looks.
    assert [path for path in left if "/contents/" not in path and not path.startswith("ingestions/")] == []
    await rig.put(collection, "a.txt", RULES)
    await rig.drain()
    assert len(await rig.search("office")) == 1


async def test_a_deleted_collection_is_gone_at_once_and_then_wholly(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    for n in range(3):
        await rig.put(collection, f"{n}.txt", RULES)
    await rig.drain()

    await delete_collection(rig.library, ANN, collection.id)

    with pytest.raises(FailedPrecondition, match="There is no collection of knowledge 'handbook'"):
        await rig.search("office")
    with pytest.raises(NotFound):
        await get_collection(rig.documents, ANN, collection.id)
    with pytest.raises(Aborted, match="still being removed"):
        await rig.collection()
    assert (await list_collections(rig.documents, ANN, 10, None)).items == ()
    await rig.drain()
    assert rig.documents.paths == []
    assert (await rig.collection()).id == collection.id


async def test_a_document_that_comes_while_its_collection_is_removed_is_removed_too(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await delete_collection(rig.library, ANN, collection.id)
    removal = rig.queue.pending[0]
    # A put that had read the collection before it was deleted:
    await rig.documents.commit([Update(collection_path(collection.id), {"deleted_at": None})])
    await rig.put(collection, "late.txt", RULES)
    await rig.documents.commit([Update(collection_path(collection.id), {"deleted_at": rig.clock.now()})])
    assert await rig.deliver(removal)
    await rig.drain()
    assert [path for path in rig.documents.paths if not path.startswith("ingestions/")] == []


async def test_a_name_belongs_to_one_collection_of_its_owner(rig: KnowledgeRig) -> None:
    mine = await rig.collection()
    with pytest.raises(AlreadyExists):
        await rig.collection()
    theirs = await create_collection(rig.library, BOB, "handbook")
    assert theirs.id != mine.id
    assert [one.id for one in (await list_collections(rig.documents, BOB, 10, None)).items] == [theirs.id]


@pytest.mark.parametrize(
    ("name", "description", "paths"),
    [
        ("", "", ["name"]),
        ("Hand Book", "x" * (MAX_DESCRIPTION_CHARACTERS + 1), ["name", "description"]),
        ("x" * 65, "", ["name"]),
    ],
)
async def test_a_collection_that_cannot_be_stored_is_refused(
    rig: KnowledgeRig, name: str, description: str, paths: list[str]
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await create_collection(rig.library, ANN, name, description)
    assert [fault.path for fault in refused.value.faults] == paths


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (NewDocument("a.txt", b""), "The document is empty."),
        (NewDocument("a.txt", b"x" * (MAX_DOCUMENT_BYTES + 1)), "has 10,485,761 bytes"),
        (NewDocument("../a", b"x"), "is not a file name"),
        (NewDocument("a", b"x", "text"), "The media type is none."),
    ],
)
async def test_a_document_that_cannot_be_stored_is_refused(rig: KnowledgeRig, new: NewDocument, message: str) -> None:
    collection = await rig.collection()
    with pytest.raises(InvalidArgument, match=message):
        await put_document(rig.library, ANN, collection.id, new)


async def test_what_is_somebody_elses_is_not_found_and_what_is_shared_is_only_read(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    await rig.drain()
    for uid, refusal in ((BOB, NotFound), (ANN, None)):
        if refusal is not None:
            with pytest.raises(refusal):
                await get_document(rig.documents, uid, collection.id, document.id)
            with pytest.raises(refusal):
                await list_documents(rig.documents, uid, collection.id, 10, None)
    with pytest.raises(FailedPrecondition, match="that you may read"):
        await rig.search("office", collection.id, uid=BOB)

    await rig.documents.commit([Update(collection_path(collection.id), {"readers": [BOB]})])

    assert len(await rig.search("office", collection.id, uid=BOB)) == 1
    assert (await get_document(rig.documents, BOB, collection.id, document.id)).name == "a.txt"
    with pytest.raises(PermissionDenied):
        await put_document(rig.library, BOB, collection.id, NewDocument("a.txt", b"x"))
    with pytest.raises(PermissionDenied):
        await delete_collection(rig.library, BOB, collection.id)
    with pytest.raises(FailedPrecondition):
        await rig.search("office", "handbook", uid=BOB)


async def test_documents_are_listed_by_name_in_pages(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    for name in ("c.txt", "a.txt", "b.txt"):
        await rig.put(collection, name, RULES)
    first = await list_documents(rig.documents, ANN, collection.id, 2, None)
    rest = await list_documents(rig.documents, ANN, collection.id, 2, first.next_page_token)
    assert [one.name for one in (*first.items, *rest.items)] == ["a.txt", "b.txt", "c.txt"]


async def test_several_collections_are_searched_together(rig: KnowledgeRig) -> None:
    one, other = await rig.collection("one"), await rig.collection("other")
    await rig.put(one, "a.txt", "The hammer is heavy.")
    await rig.put(other, "b.txt", "The hammer is heavy and the tongs are light.")
    await rig.drain()
    found = await rig.search("hammer", "one", "other", one.id)
    assert [line.partition(",")[0] for line in found] == ["a.txt", "b.txt"]
    assert len(await rig.search("hammer", "other")) == 1


async def test_a_collection_whose_embedder_is_gone_says_so(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    rig.embedder.name = "other:embedder"
    document = await rig.put(collection, "a.txt", RULES)
    await rig.drain()
    failed = await rig.document(collection.id, document.id)
    assert failed.error is not None
    assert failed.error.message == "This deployment has no embedder 'local:hashed-words'."
    with pytest.raises(FailedPrecondition, match="This deployment has no embedder 'local:hashed-words'"):
        await rig.search("office")


async def test_duplicate_deliveries_ingest_once(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", long_text(3))
    task = rig.queue.pending.popleft()

    done = await asyncio.gather(*(rig.deliver(task) for _ in range(5)))

    assert sorted(done) == [False, False, False, False, True]
    assert all(await asyncio.gather(*(rig.deliver(task) for _ in range(2))))
    assert len(rig.embedder.embedded) == 3
    assert len(rig.stored("passages/")) == 3


class Died(BaseException):
    """The process is gone."""


async def test_whoever_takes_over_goes_on_after_the_last_batch(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", long_text(2 * BATCH + 5))
    task = rig.queue.pending.popleft()
    calls = 0

    def die_in_the_second_batch() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Died

    rig.embedder.before = die_in_the_second_batch
    with pytest.raises(Died):
        await rig.deliver(task)
    assert (await rig.document(collection.id, document.id)).stored == BATCH

    assert not await rig.deliver(task), "the claim still holds"
    await rig.clock.advance(CLAIM.total_seconds() + 1)
    assert await rig.deliver(task)

    assert len(rig.embedder.embedded) == len(set(rig.embedder.embedded)) == 2 * BATCH + 5
    ready = await rig.document(collection.id, document.id)
    assert (ready.state, ready.stored, ready.attempt) == (DocumentState.READY, 2 * BATCH + 5, 2)


async def test_an_embedder_that_is_down_is_asked_again_and_given_up_in_the_end(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    first = await rig.put(collection, "a.txt", RULES)
    rig.embedder.failures.extend([Unavailable("the embedder does not answer")] * 3)
    await rig.drain()
    assert (await rig.document(collection.id, first.id)).attempt == 4
    second = await rig.put(collection, "b.txt", RULES)
    rig.embedder.failures.extend([Unavailable("the embedder does not answer")] * 100)
    await rig.drain()
    failed = await rig.document(collection.id, second.id)
    assert (failed.state, failed.attempt) == (DocumentState.FAILED, MAX_ATTEMPTS)
    assert failed.error is not None
    assert (failed.error.code, failed.error.retryable) == ("unavailable", True)


async def test_a_defect_is_reported_and_its_cause_hidden(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    rig.embedder.failures.extend([ZeroDivisionError("secret")] * 100)
    await rig.drain()
    failed = await rig.document(collection.id, document.id)
    assert failed.error is not None
    assert failed.error.message == "an internal error"
    assert len(rig.defects) == MAX_ATTEMPTS


async def test_a_worker_that_dies_every_time_is_given_up(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    task = rig.queue.pending.popleft()

    def die() -> None:
        raise Died

    rig.embedder.before = die
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(Died):
            await rig.deliver(task)
        await rig.clock.advance(CLAIM.total_seconds() + 1)
    assert await rig.deliver(task)
    failed = await rig.document(collection.id, document.id)
    assert failed.error is not None
    assert failed.error.message == f"The document was tried {MAX_ATTEMPTS} times without an end."


async def test_a_worker_whose_document_is_replaced_meanwhile_writes_nothing_more(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    await rig.put(collection, "a.txt", "The old answer is seven.")
    old = rig.queue.pending.popleft()
    replaced: list[asyncio.Task[object]] = []
    real = rig.embedder.embed_documents

    async def replace_first(texts: Sequence[str]) -> list[Vector]:
        if not replaced:
            replaced.append(asyncio.ensure_future(rig.put(collection, "a.txt", "The new answer is eight.")))
            await replaced[0]
        return await real(texts)

    rig.embedder.embed_documents = replace_first
    assert not await rig.deliver(old)
    assert await rig.deliver(old)
    await rig.drain()
    assert await rig.search("answer") == ["a.txt, line 1: The new answer is eight."]
    assert len(rig.stored("passages/")) == 1


async def test_what_was_not_enqueued_is_handed_over_by_the_sweeper(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    rig.queue.fail_next()
    with pytest.raises(Unavailable):
        await rig.put(collection, "a.txt", RULES)
    assert await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10) == 0
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    assert await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10) == 1
    assert await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10) == 0
    await rig.drain()
    assert len(await rig.search("office")) == 1
    await rig.clock.advance(SWEEP_AFTER.total_seconds() * 2)
    assert await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10) == 0


async def test_bytes_that_no_record_names_are_removed_by_the_sweeper(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    await delete_document(rig.library, ANN, collection.id, document.id)
    with pytest.raises(Aborted):
        await rig.put(collection, "a.txt", "other")
    await rig.drain()
    await rig.put(collection, "a.txt", "broken off")
    await rig.documents.commit([Update(document.path, {"deleted_at": rig.clock.now()})])
    await rig.drain()
    await rig.clock.advance(SWEEP_AFTER.total_seconds())
    await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10)
    await rig.drain()
    assert rig.documents.paths == [collection_path(collection.id)]
    assert parse(Collection, (await rig.documents.get(collection_path(collection.id))).fields or {}).name == "handbook"


async def test_a_task_about_nothing_is_done(rig: KnowledgeRig) -> None:
    collection = await rig.collection()
    document = await rig.put(collection, "a.txt", RULES)
    task = rig.queue.pending[0]
    await delete_document(rig.library, ANN, collection.id, document.id)
    await rig.drain()
    assert await rig.deliver(task)
    with pytest.raises(NotFound):
        await rig.document(collection.id, DocumentId("nothing"))
