"""Search by vector in memory."""

from __future__ import annotations

import pytest

from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.errors import Internal
from shared.domain.writes import Put, Vector
from tests.support.port_contracts.vectors import VectorContract


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
def index(documents: MemoryDocuments) -> MemoryDocuments:
    return documents


class TestVectors(VectorContract):
    """In memory."""


@pytest.mark.parametrize("dimensions", [0, 2049])
async def test_a_vector_that_firestore_would_not_take_is_refused(documents: MemoryDocuments, dimensions: int) -> None:
    with pytest.raises(Internal, match="dimensions"):
        await documents.commit([Put("contract_v/a", {"place": Vector((1.0,) * dimensions)})])
