"""The document store on Firestore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from shared.domain.document_limits import check_commit, check_path
from shared.domain.writes import Write
from shared.ports.documents import Committed, Query, Snapshot
from shared.ports.query_limits import check_query
from shared.ports.vector_index import Near, NearestQuery

if TYPE_CHECKING:
    from google.cloud.firestore_v1.async_client import AsyncClient

    from shared.adapters.firestore.calls import FirestoreCalls

DEFAULT_DATABASE = "(default)"
READ_DEADLINE_SECONDS = 10.0

T = TypeVar("T")


class FirestoreDocuments:
    """`Documents` and `VectorIndex` on one Firestore database.

    The connection is made on first use and kept, in one event loop.

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
    def _calls(self) -> FirestoreCalls:
        from shared.adapters.firestore.calls import FirestoreCalls

        return FirestoreCalls(self._name)

    @cached_property
    def _queries(self) -> AsyncClient:
        """What words queries; it sends none."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.firestore_v1.async_client import AsyncClient

        return AsyncClient(project=self.project, credentials=AnonymousCredentials(), database=self._database)

    @property
    def _name(self) -> str:
        return f"projects/{self.project}/databases/{self._database or DEFAULT_DATABASE}"

    async def get(self, path: str) -> Snapshot:
        """Read one document."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read several documents at one instant in one round trip, in the order of `paths`."""
        if not paths:
            return []
        for path in paths:
            check_path(path)
        from shared.adapters.firestore.answers import snapshot_of_read

        prefix = f"{self._name}/documents/"
        names = [prefix + path for path in dict.fromkeys(paths)]

        async def read() -> dict[str, Snapshot]:
            answers = await self._calls.read(names, self._read_timeout_seconds)
            snapshots = (snapshot_of_read(answer, prefix) for answer in answers)
            return {snapshot.path: snapshot for snapshot in snapshots}

        found = await self._repeated(read)
        return [found[path] for path in paths]

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match."""
        from shared.adapters.firestore.queries import query_of

        check_query(query)
        if FirestoreDocuments.observe is not None:
            FirestoreDocuments.observe(query)

        return await self._ask(query.collection, query_of(self._queries, query))

    async def nearest(self, query: NearestQuery) -> list[Near]:
        """Find the documents whose vectors are nearest (`VectorIndex`)."""
        from shared.adapters.firestore.neighbours import DISTANCE, nearest_query_of

        found = await self._ask(query.collection, nearest_query_of(self._queries, query))
        return [_near(snapshot, DISTANCE) for snapshot in found]

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none, without a retry."""
        from google.api_core.exceptions import GoogleAPIError

        from shared.adapters.firestore.batches import commit_request, committed
        from shared.adapters.firestore.outcomes import commit_error

        check_commit(writes)
        if not writes:
            return Committed(())
        try:
            answer = await self._calls.commit(commit_request(self._name, writes), self._commit_timeout_seconds)
        except GoogleAPIError as error:
            raise commit_error(error) from error
        return committed(writes, answer)

    async def close(self) -> None:
        """Close the connection, if one was opened."""
        if "_calls" in self.__dict__:
            await self._calls.close()

    async def _ask(self, collection: str, query: Any) -> list[Snapshot]:
        from shared.adapters.firestore.answers import snapshot_of_found

        prefix = f"{self._name}/documents/"
        parent = (prefix + collection).rpartition("/")[0]
        message = query._to_protobuf()._pb  # noqa: SLF001

        async def read() -> list[Snapshot]:
            answers = self._calls.query(parent, message, self._read_timeout_seconds)
            return [snapshot_of_found(answer.document, answer.read_time, prefix) async for answer in answers]

        return await self._repeated(read)

    async def _repeated(self, read: Callable[[], Awaitable[T]]) -> T:
        from google.api_core.exceptions import GoogleAPIError
        from google.api_core.retry_async import exponential_sleep_generator, retry_target

        from shared.adapters.firestore.outcomes import is_transient, read_error

        pauses = exponential_sleep_generator(initial=0.1, maximum=2.0)
        try:
            return await retry_target(read, is_transient, pauses, timeout=self._read_timeout_seconds)
        except GoogleAPIError as error:
            raise read_error(error) from error


def _near(snapshot: Snapshot, distance: str) -> Near:
    fields = dict(snapshot.fields or {})
    measured: float = fields.pop(distance)
    return Near(replace(snapshot, fields=fields), measured)
