"""A document store that counts what is read and fails when told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.documents import Committed, Documents, Query, Snapshot
from tests.support.forwarding_documents import ForwardingDocuments


class WatchedDocuments(ForwardingDocuments):
    """`Documents` over another one.

    Attributes:
        reads: how many documents were read, as Firestore bills them.
        round_trips: how many requests read them.
        lose_replies: for each coming commit: whether to apply it before its failure is raised, and the failure.
        failure: raised by every read while it is set.
    """

    def __init__(self, inner: Documents) -> None:
        super().__init__(inner)
        self.reads = 0
        self.round_trips = 0
        self.lose_replies: deque[tuple[bool, Exception]] = deque()
        self.failure: Exception | None = None

    def reset(self) -> None:
        self.reads = self.round_trips = 0

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        return self._counted(await super().get_many(paths))

    async def query(self, query: Query) -> list[Snapshot]:
        return self._counted(await super().query(query))

    async def commit(self, writes: Sequence[Write]) -> Committed:
        if not self.lose_replies:
            return await super().commit(writes)
        applied, failure = self.lose_replies.popleft()
        if applied:
            await super().commit(writes)
        raise failure

    def _counted(self, found: list[Snapshot]) -> list[Snapshot]:
        if self.failure is not None:
            raise self.failure
        self.reads += max(1, len(found))
        self.round_trips += 1
        return found
