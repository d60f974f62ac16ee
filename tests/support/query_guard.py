"""Fails a test that issues a query for which production has no index."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.memory.documents import MemoryDocuments
from shared.ports.documents import Query
from tests.support.query_indexes import Indexes

CONTRACT_PREFIX = "contract_"
"""Collections of the port's contract, which asks what no use case asks."""


class QueryGuard:
    """Sees every query of every adapter in this process.

    Attributes:
        seen: the queries, except the contract's.
        faults: what production would say of some.
    """

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes
        self.seen: list[Query] = []
        self.faults: list[str] = []

    def __call__(self, query: Query) -> None:
        if query.collection.startswith(CONTRACT_PREFIX):
            return
        self.seen.append(query)
        fault = self._indexes.fault(query)
        if fault is not None:
            self.faults.append(fault)
            raise AssertionError(fault)


@contextmanager
def guarded_queries(indexes: Indexes) -> Generator[QueryGuard, None, None]:
    """Check every query meanwhile: at once, and again at the end, in case somebody swallowed the failure."""
    guard = QueryGuard(indexes)
    before = MemoryDocuments.observe, FirestoreDocuments.observe
    MemoryDocuments.observe = FirestoreDocuments.observe = guard
    try:
        yield guard
    finally:
        MemoryDocuments.observe, FirestoreDocuments.observe = before
    assert not guard.faults, guard.faults
