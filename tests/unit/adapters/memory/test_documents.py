from __future__ import annotations

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.writes import Create, Update
from shared.ports.documents import Documents
from tests.support.port_contracts.documents import CommitContract
from tests.support.port_contracts.queries import QueryContract


@pytest.fixture
def documents() -> Documents:
    return MemoryDocuments()


class TestCommits(CommitContract):
    """In memory."""


class TestQueries(QueryContract):
    """In memory."""


async def test_the_age_of_a_document_is_measured_by_the_stores_clock() -> None:
    clock = MemoryClock()
    documents = MemoryDocuments(clock)
    await documents.commit([Create("leases/a", {"beat": 0})])
    await clock.advance(7)
    lease = await documents.get("leases/a")
    assert lease.update_time is not None
    assert round((lease.read_time - lease.update_time).total_seconds(), 3) == 7
    await documents.commit([Update("leases/a", {"beat": 1})])
    lease = await documents.get("leases/a")
    assert lease.read_time == lease.update_time


async def test_paths_lists_what_is_stored() -> None:
    documents = MemoryDocuments()
    await documents.commit([Create("b/1", {}), Create("a/1", {})])
    assert documents.paths == ["a/1", "b/1"]
