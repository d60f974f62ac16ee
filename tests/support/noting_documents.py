"""A document store that notes what is written."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.writes import Write
from shared.ports.documents import Committed, Documents
from tests.support.forwarding_documents import ForwardingDocuments


class NotingDocuments(ForwardingDocuments):
    """`Documents` whose `commits` holds the writes of each commit that was asked for."""

    def __init__(self, inner: Documents) -> None:
        """Stand in front of `inner`."""
        super().__init__(inner)
        self.commits: list[Sequence[Write]] = []

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Note the writes, and commit."""
        self.commits.append(writes)
        return await super().commit(writes)
