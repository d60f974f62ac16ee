"""The artifact use cases over the store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.artifacts import COMMIT_BYTES, INLINE_BYTES, artifact_path, version_path
from shared.domain.errors import Aborted, Internal, InvalidArgument, Unavailable
from shared.domain.ids import SessionId, Uid
from shared.domain.writes import Update
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.artifacts.get_artifact import get_artifact
from shared.usecases.artifacts.put_artifact import NewArtifact, Stored, put_artifact
from tests.support.passing_time import in_time
from tests.support.port_contracts.artifacts import ArtifactContract
from tests.support.watched_documents import WatchedDocuments

SESSION = SessionId("s1")


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def documents() -> WatchedDocuments:
    return WatchedDocuments(MemoryDocuments())


@pytest.fixture
def session_id() -> SessionId:
    return SESSION


class TestArtifacts(ArtifactContract):
    """In memory, where time goes on only if a test lets it."""

    @staticmethod
    async def all_of(clock: Any, writers: Sequence[Awaitable[Stored]]) -> list[Stored]:
        return await in_time(clock, asyncio.gather(*writers))


async def put(documents: WatchedDocuments, clock: Clock, content: bytes) -> Stored:
    return await put_artifact(documents, clock, NewArtifact(SESSION, Uid("ada"), "a.txt", content, "ada"))


@given(content=st.binary(max_size=100), name=st.sampled_from(["a", "b/c.txt", "__x__", "100%", "ü/ß"]))
async def test_any_bytes_come_back_as_they_were(content: bytes, name: str) -> None:
    documents = MemoryDocuments()

    await put_artifact(documents, MemoryClock(), NewArtifact(SESSION, Uid("ada"), name, content, "ada"))

    assert (await get_artifact(documents, SESSION, name)).content == content


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_reply_neither_loses_nor_doubles_the_version(
    documents: WatchedDocuments, clock: MemoryClock, *, applied: bool
) -> None:
    documents.lose_replies.append((applied, OutcomeUnknown()))

    stored = await put(documents, clock, b"x" * (INLINE_BYTES + 1))

    assert (stored.created, stored.head.head) == (True, 1)
    assert (await get_artifact(documents, SESSION, "a.txt")).artifact.version == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [(CommitRefused(), Aborted), (OutcomeUnknown(), Unavailable)],
)
async def test_a_store_that_never_takes_the_version_is_reported_as_worth_a_retry(
    documents: WatchedDocuments, clock: MemoryClock, failure: Exception, error: type[Aborted | Unavailable]
) -> None:
    documents.lose_replies.extend([(False, failure)] * 100)

    with pytest.raises(error) as raised:
        await in_time(clock, put(documents, clock, b"x"))

    assert raised.value.retryable


async def test_reading_costs_two_documents_and_putting_one(documents: WatchedDocuments, clock: MemoryClock) -> None:
    await put(documents, clock, b"x")
    assert (documents.reads, documents.round_trips) == (1, 1)

    documents.reset()
    await get_artifact(documents, SESSION, "a.txt")
    assert (documents.reads, documents.round_trips) == (2, 2)


async def test_a_damaged_version_is_not_passed_off_as_the_file(documents: WatchedDocuments, clock: MemoryClock) -> None:
    await put(documents, clock, b"true")
    await documents.commit([Update(version_path(SESSION, "a.txt", 1), {"content": b"false"})])

    with pytest.raises(Internal, match=r"version 1 of 'a\.txt' is damaged"):
        await get_artifact(documents, SESSION, "a.txt")


async def test_every_fault_of_a_new_artifact_is_named_at_once(documents: WatchedDocuments, clock: MemoryClock) -> None:
    new = NewArtifact(SESSION, Uid("ada"), "a", b"", "ada", mime_type="Text", metadata_json="x" * 32_769)

    with pytest.raises(InvalidArgument) as refused:
        await put_artifact(documents, clock, new)

    assert [fault.path for fault in refused.value.faults] == ["mime_type", "metadata"]


async def test_a_given_media_type_is_kept_and_a_missing_one_detected(
    documents: WatchedDocuments, clock: MemoryClock
) -> None:
    given_type = await put_artifact(documents, clock, NewArtifact(SESSION, Uid("ada"), "a.md", b"", "ada", "text/x-a"))
    detected = await put_artifact(documents, clock, NewArtifact(SESSION, Uid("ada"), "b.md", b"", "ada"))

    assert (given_type.head.mime_type, detected.head.mime_type) == ("text/x-a", "text/markdown")


async def test_the_head_holds_no_content_so_that_lists_stay_cheap(
    documents: WatchedDocuments, clock: MemoryClock
) -> None:
    await put(documents, clock, b"content")

    head = (await documents.get(artifact_path(SESSION, "a.txt"))).fields
    assert head is not None
    assert set(head) == {"owner_uid", "name", "head", "mime_type", "size_bytes", "digest", "updated_at", "edits"}


async def test_writers_of_files_that_need_several_commits_do_not_mix_their_chunks(clock: MemoryClock) -> None:
    documents = MemoryDocuments()
    contents = [letter * (COMMIT_BYTES + 1) for letter in (b"a", b"b")]

    news = [NewArtifact(SESSION, Uid("ada"), "big", content, "ada") for content in contents]
    stored = await in_time(clock, asyncio.gather(*(put_artifact(documents, clock, new) for new in news)))

    found = [(await get_artifact(documents, SESSION, "big", one.head.head)).content for one in stored]
    assert found == contents
