"""What the artifact use cases promise over any document store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from shared.domain.artifacts import CHUNK_BYTES, INLINE_BYTES, MAX_ARTIFACT_BYTES, artifact_path, chunk_paths
from shared.domain.errors import InvalidArgument, NotFound
from shared.domain.ids import SessionId, Uid
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.usecases.artifacts.get_artifact import get_artifact
from shared.usecases.artifacts.list_artifacts import every_artifact, list_artifacts
from shared.usecases.artifacts.put_artifact import NewArtifact, Stored, put_artifact

OWNER = Uid("ada")


class ArtifactContract:
    """Subclasses provide the fixtures `documents`, `clock` and `session_id` (a new session for each test)."""

    @staticmethod
    async def all_of(clock: Clock, writers: Sequence[Awaitable[Stored]]) -> list[Stored]:
        """What comes of those who write at the same time, on a clock that goes on by itself."""
        del clock
        return await asyncio.gather(*writers)

    @staticmethod
    async def put(documents: Documents, clock: Clock, session_id: SessionId, name: str, content: bytes) -> Stored:
        new = NewArtifact(session_id, OWNER, name, content, created_by=OWNER)
        return await put_artifact(documents, clock, new)

    @pytest.mark.parametrize(
        "size",
        [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1, MAX_ARTIFACT_BYTES],
    )
    async def test_what_was_put_is_got_back_whatever_its_size(
        self, documents: Documents, clock: Clock, session_id: SessionId, size: int
    ) -> None:
        content = bytes(i % 251 for i in range(1024)) * (size // 1024 + 1)
        content = content[:size]

        stored = await self.put(documents, clock, session_id, "large/file.bin", content)
        found = await get_artifact(documents, session_id, "./large//file.bin")

        assert stored.created
        assert found.content == content
        assert (found.artifact.version, found.artifact.size_bytes) == (1, size)
        assert (found.artifact.owner_uid, found.artifact.created_by) == (OWNER, OWNER)

    async def test_each_change_makes_a_version_and_old_versions_stay(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        for content in (b"one", b"two", b"one"):
            await self.put(documents, clock, session_id, "a.txt", content)

        contents = [(await get_artifact(documents, session_id, "a.txt", version)).content for version in (1, 2, 3)]
        assert contents == [b"one", b"two", b"one"]
        assert (await get_artifact(documents, session_id, "a.txt")).artifact.version == 3

    async def test_content_that_is_the_newest_already_makes_no_version(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        await self.put(documents, clock, session_id, "a.txt", b"same")
        again = await self.put(documents, clock, session_id, "a.txt", b"same")

        assert not again.created
        assert again.head.head == 1

    async def test_concurrent_writers_each_get_a_version_of_their_own(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        contents = [bytes([i]) * (INLINE_BYTES + 1) for i in range(5)]

        writers = [self.put(documents, clock, session_id, "shared.bin", content) for content in contents]
        stored = await self.all_of(clock, writers)

        assert sorted(s.head.head for s in stored) == [1, 2, 3, 4, 5]
        for content, one in zip(contents, stored, strict=True):
            assert (await get_artifact(documents, session_id, "shared.bin", one.head.head)).content == content

    @pytest.mark.parametrize(("name", "version"), [("missing.txt", None), ("a.txt", 2), ("missing.txt", 1)])
    async def test_what_is_not_there_is_not_found(
        self, documents: Documents, clock: Clock, session_id: SessionId, name: str, version: int | None
    ) -> None:
        await self.put(documents, clock, session_id, "a.txt", b"x")

        with pytest.raises(NotFound, match=r"There is no .*"):
            await get_artifact(documents, session_id, name, version)

    async def test_the_list_is_paged_by_name_and_loses_nothing(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        names = ["README.md", "a b.txt", "src/__init__.py", "src/app.py", "ünï/ç.md"]
        for name in reversed(names):
            await self.put(documents, clock, session_id, name, name.encode())

        first = await list_artifacts(documents, session_id, limit=2)
        second = await list_artifacts(documents, session_id, limit=2, after=first.after)
        third = await list_artifacts(documents, session_id, limit=2, after=second.after)

        assert [head.name for page in (first, second, third) for head in page.items] == names
        assert third.after is None
        assert [head.size_bytes for head in first.items] == [9, 7]

    async def test_a_prefix_limits_what_is_listed(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        for name in ("src.py", "src/a.py", "src/b/c.py", "srd"):
            await self.put(documents, clock, session_id, name, b"")

        found = [head.name async for head in every_artifact(documents, session_id, prefix="src/")]

        assert found == ["src/a.py", "src/b/c.py"]

    async def test_every_document_names_its_owner_for_the_rules(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        await self.put(documents, clock, session_id, "large.bin", b"x" * (INLINE_BYTES + 1))
        version = (await get_artifact(documents, session_id, "large.bin")).artifact

        head = artifact_path(session_id, "large.bin")
        snapshots = await documents.get_many([head, f"{head}/versions/1", *chunk_paths(session_id, version)])

        assert [(found.fields or {}).get("owner_uid") for found in snapshots] == [OWNER] * 3

    async def test_too_large_a_file_is_refused_and_nothing_is_stored(
        self, documents: Documents, clock: Clock, session_id: SessionId
    ) -> None:
        with pytest.raises(InvalidArgument, match="10,485,760 are the most"):
            await self.put(documents, clock, session_id, "a.bin", b"x" * (MAX_ARTIFACT_BYTES + 1))

        assert (await list_artifacts(documents, session_id, limit=10)).items == ()
