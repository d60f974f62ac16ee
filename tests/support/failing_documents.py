"""A document store in front of another that dies, loses replies or aborts where a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from shared.domain.writes import Write
from shared.ports.documents import Committed, Documents, OutcomeUnknown, Query, Snapshot
from tests.support.forwarding_documents import ForwardingDocuments


class Died(BaseException):
    """The process is gone; nothing of it runs any more."""


class Fate(Enum):
    """What becomes of one commit."""

    APPLIED = "applied"
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    REPLY_LOST = "reply lost"
    ABORTED = "aborted"


def at_commit(number: int, fate: Fate) -> Callable[[int], Fate]:
    """The fates of commits of which one, counted from 0, does not fare as the others."""
    return lambda n: fate if n == number else Fate.APPLIED


def _applied(_: int) -> Fate:
    return Fate.APPLIED


class FailingDocuments(ForwardingDocuments):
    """`Documents` whose nth commit meets the fate that `fate(n)` names; after a death every call dies."""

    def __init__(self, inner: Documents, fate: Callable[[int], Fate] = _applied) -> None:
        """Stand in front of `inner`."""
        super().__init__(inner)
        self._fate = fate
        self._dead = False
        self.commits = 0

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        """Read, if alive."""
        self._check()
        return await super().get_many(paths)

    async def query(self, query: Query) -> list[Snapshot]:
        """Read, if alive."""
        self._check()
        return await super().query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Commit, as fate wills."""
        self._check()
        fate = self._fate(self.commits)
        self.commits += 1
        if fate is Fate.DIES_BEFORE:
            self._die()
        if fate is Fate.ABORTED:
            raise OutcomeUnknown("aborted")
        committed = await super().commit(writes)
        if fate is Fate.DIES_AFTER:
            self._die()
        if fate is Fate.REPLY_LOST:
            raise OutcomeUnknown("reply lost")
        return committed

    def _die(self) -> None:
        self._dead = True
        raise Died

    def _check(self) -> None:
        if self._dead:
            raise Died
