"""Documents come into a collection of one's own: wherever that broke off, it goes on."""

from __future__ import annotations

import pytest

from shared.domain.agent_bundles import BundledCollection, BundledDocument
from shared.domain.errors import AlreadyExists, DomainError
from shared.domain.knowledge import Collection
from shared.domain.name_conflicts import OnConflict
from shared.domain.pages import MAX_LIMIT
from shared.usecases.knowledge.bring_collection import bring_collection, find_destination
from shared.usecases.knowledge.get_document import list_documents
from tests.support.engine_rig import ANN
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.knowledge_rig import KnowledgeRig
from tests.support.passing_time import in_time
from tests.support.slow_documents import SlowDocuments
from tests.support.watched_documents import WatchedDocuments

TEXTS = {f"{name}.txt": f"The answer of {name}.".encode() for name in "abcdefg"}
NOTES = BundledCollection("Notes", tuple(BundledDocument(name, content) for name, content in TEXTS.items()))


async def bring(
    rig: KnowledgeRig, on_conflict: OnConflict = "refuse", bundled: BundledCollection = NOTES
) -> Collection:
    destination = await find_destination(rig.library, ANN, "notes", bundled, on_conflict)
    return await bring_collection(rig.library, ANN, destination, bundled)


async def names_in(rig: KnowledgeRig, collection: Collection) -> list[str]:
    return [one.name for one in (await list_documents(rig.documents, ANN, collection.id, MAX_LIMIT, None)).items]


@pytest.mark.parametrize("on_conflict", ["refuse", "rename", "version"])
async def test_what_died_at_any_commit_goes_on_in_the_same_collection(on_conflict: OnConflict) -> None:
    whole = KnowledgeRig()
    counting = FailingDocuments(whole.documents)
    whole.through = counting
    await bring(whole)
    for at in range(counting.commits):
        rig = KnowledgeRig()
        rig.through = FailingDocuments(rig.documents, at_commit(at, Fate.DIES_AFTER))
        with pytest.raises(Died):
            await bring(rig)
        rig.through = None
        collection = await bring(rig, on_conflict)
        assert (collection.name, await names_in(rig, collection)) == ("notes", list(TEXTS)), f"commit {at}"


@pytest.mark.parametrize("more", [{"h.txt": b"Another."}, {"a.txt": b"Another answer of a."}])
async def test_a_collection_with_anything_else_is_another(more: dict[str, bytes]) -> None:
    rig = KnowledgeRig()
    collection = await rig.collection("notes")
    for name, content in more.items():
        await rig.put(collection, name, content)
    with pytest.raises(AlreadyExists):
        await bring(rig)
    assert (await bring(rig, "rename")).name == "notes_imported"


async def test_a_collection_is_read_up_to_the_first_document_that_is_not_wanted() -> None:
    rig = KnowledgeRig()
    collection = await rig.collection("notes")
    for number in range(MAX_LIMIT + 1):
        await rig.put(collection, f"{number:04}.txt", "Something else.")
    rig.through = watched = WatchedDocuments(rig.documents)
    with pytest.raises(AlreadyExists):
        await bring(rig)
    assert watched.reads <= MAX_LIMIT + 5


async def test_documents_are_stored_a_few_at_a_time_and_none_after_a_failure() -> None:
    rig = KnowledgeRig()
    rig.through = SlowDocuments(rig.documents, rig.clock)

    async def seconds(bundled: BundledCollection) -> float:
        began = rig.clock.now()
        await in_time(rig.clock, bring(rig, "version", bundled), 0.5)
        return (rig.clock.now() - began).total_seconds()

    one = await seconds(BundledCollection("", NOTES.documents[:1]))
    assert await seconds(NOTES) <= 2 * one + 1
    empty = BundledDocument("0.txt", b"")
    broken = BundledCollection("Notes", (empty, *(BundledDocument(f"late {n}.txt", b"x") for n in range(9))))
    with pytest.raises(DomainError):
        await in_time(rig.clock, bring(rig, "version", broken), 0.5)
    stored = [path for path in rig.documents.paths if "/documents/" in path]
    await rig.clock.advance(60)
    assert [path for path in rig.documents.paths if "/documents/" in path] == stored
