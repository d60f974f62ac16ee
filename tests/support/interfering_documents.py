"""A document store in which somebody else does something at a given moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from shared.domain.writes import Write
from shared.ports.documents import Committed, Documents, Snapshot
from tests.support.forwarding_documents import ForwardingDocuments

Interference = Callable[[], Awaitable[object]]


class InterferingDocuments(ForwardingDocuments):
    """`Documents` in which something else is done first, once or again and again."""

    def __init__(
        self,
        inner: Documents,
        interfere: Interference,
        *,
        before_commit: int = 0,
        before_read: int = 0,
        before: Callable[[Sequence[Write]], bool] | None = None,
        before_each: int = 0,
    ) -> None:
        """Stand in front of `inner`; numbers count from 1, and 0 is never.

        Args:
            inner: the store.
            interfere: what is done.
            before_commit: before the nth commit.
            before_read: before the nth read.
            before: before the first commit whose writes are such.
            before_each: before each nth commit, for ever.
        """
        super().__init__(inner)
        self._interfere = interfere
        self._commit = before_commit
        self._reads_left = before_read
        self._before = before
        self._each = before_each
        self.commits = 0

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read, after the interference if it is its turn."""
        self._reads_left -= 1
        if self._reads_left == 0:
            await self._interfere()
        return await super().get_many(paths)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit, after the interference if it is its turn."""
        self.commits += 1
        is_each = self._each > 0 and self.commits % self._each == 0
        if self.commits == self._commit or is_each or self._is_before(writes):
            await self._interfere()
        return await super().commit(writes)

    def _is_before(self, writes: Sequence[Write]) -> bool:
        if self._before is None or not self._before(writes):
            return False
        self._before = None
        return True
