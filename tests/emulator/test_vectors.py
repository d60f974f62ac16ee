"""Search by vector on Firestore."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from shared.adapters.firestore.documents import FirestoreDocuments
from tests.support.port_contracts.vectors import VectorContract


@pytest.fixture(scope="module")
async def documents() -> AsyncIterator[FirestoreDocuments]:
    documents = FirestoreDocuments(f"demo-knowledge-{secrets.token_hex(4)}")
    yield documents
    await documents.close()


@pytest.fixture
def index(documents: FirestoreDocuments) -> FirestoreDocuments:
    return documents


class TestVectors(VectorContract):
    """On Firestore."""
