"""The document store on Firestore."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from shared.domain.document_limits import check_commit, check_path
from shared.domain.writes import Write
from shared.ports.documents import Committed, Query, Snapshot
from shared.ports.query_limits import check_query
from shared.ports.vector_index import Near, NearestQuery

if TYPE_CHECKING:
    from google.cloud.firestore_v1.async_client import AsyncClient

READ_DEADLINE_SECONDS = 10.0

T = TypeVar("T")


class FirestoreDocuments:
    """`Documents` and `VectorIndex` on one Firestore database.

    The client is made on first use and kept, in one event loop.

    The library is imported on first use too: it takes longer to import than all of a small function.
    """

    observe: ClassVar[Callable[[Query], None] | None] = None
    """Called with each query of every instance: how tests check the queries' indexes."""

    def __init__(
        self,
        project: str,
        database: str | None = None,
        *,
        commit_timeout_seconds: float = 10.0,
        read_timeout_seconds: float = READ_DEADLINE_SECONDS,
    ) -> None:
        """Name the database.

        Args:
            project: the Google Cloud project.
            database: the database's id; None is the default one.
            commit_timeout_seconds: how long a commit may take; a third of the lease at most.
            read_timeout_seconds: how long a read may take, its repetitions included.
        """
        self.project = project
        self._database = database
        self._commit_timeout_seconds = commit_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds

    @cached_property
    def _client(self) -> AsyncClient:
        from google.cloud.firestore_v1.async_client import AsyncClient

        return AsyncClient(project=self.project, database=self._database)

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents at one instant in one round trip, in the order of `paths`."""
        if not paths:
            return []
        for path in paths:
            check_path(path)
        references = [self._client.document(path) for path in dict.fromkeys(paths)]

        async def read() -> dict[str, Snapshot]:
            found = self._client.get_all(references, retry=None, timeout=self._read_timeout_seconds)
            return {snapshot.path: snapshot async for snapshot in _snapshots(found)}

        found = await self._repeated(read)
        return [found[path] for path in paths]

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match."""
        from shared.adapters.firestore.queries import query_of

        check_query(query)
        if FirestoreDocuments.observe is not None:
            FirestoreDocuments.observe(query)

        async def read() -> list[Snapshot]:
            stream = query_of(self._client, query).stream(retry=None, timeout=self._read_timeout_seconds)
            return [snapshot async for snapshot in _snapshots(stream)]

        return await self._repeated(read)

    async def nearest(self, query: NearestQuery) -> list[Near]:
        """Find the documents whose vectors are nearest (`VectorIndex`)."""
        from shared.adapters.firestore.neighbours import DISTANCE, nearest_query_of

        async def read() -> list[Near]:
            asked = nearest_query_of(self._client, query)
            stream = asked.stream(retry=None, timeout=self._read_timeout_seconds)
            return [_near(snapshot, DISTANCE) async for snapshot in _snapshots(stream)]

        return await self._repeated(read)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none, without a retry."""
        from google.api_core.exceptions import GoogleAPIError

        from shared.adapters.firestore.batches import batch_of, committed
        from shared.adapters.firestore.outcomes import commit_error

        check_commit(writes)
        if not writes:
            return Committed(())
        batch = batch_of(self._client, writes)
        try:
            results = await batch.commit(retry=None, timeout=self._commit_timeout_seconds)
        except GoogleAPIError as error:
            raise commit_error(error) from error
        return committed(writes, results)

    async def close(self) -> None:
        """Close the connection, if one was opened."""
        if "_client" in self.__dict__:
            # AsyncClient.close() makes the coroutine that closes the channel and does not await it.
            api = self._client._firestore_api  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            await api.transport.close()

    async def _repeated(self, read: Callable[[], Awaitable[T]]) -> T:
        from google.api_core.exceptions import GoogleAPIError
        from google.api_core.retry_async import AsyncRetry, if_exception_type

        from shared.adapters.firestore.outcomes import TRANSIENT, read_error

        retry = AsyncRetry(if_exception_type(*TRANSIENT), initial=0.1, maximum=2.0, timeout=self._read_timeout_seconds)
        try:
            repeated: Callable[[], Awaitable[T]] = retry(read)
            return await repeated()
        except GoogleAPIError as error:
            raise read_error(error) from error


async def _snapshots(stream: Any) -> AsyncIterator[Snapshot]:
    from shared.adapters.firestore.values import decode

    async for document in stream:
        fields = decode(document.to_dict()) if document.exists else None
        update_time: datetime | None = document.update_time if document.exists else None
        yield Snapshot(document.reference.path, fields, update_time, document.read_time)


def _near(snapshot: Snapshot, distance: str) -> Near:
    fields = dict(snapshot.fields or {})
    measured: float = fields.pop(distance)
    return Near(replace(snapshot, fields=fields), measured)
