from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from shared.adapters.firestore.documents import FirestoreDocuments
from shared.ports.documents import Documents
from tests.support.port_contracts.documents import CommitContract
from tests.support.port_contracts.queries import QueryContract


@pytest.fixture(scope="module")
async def documents() -> AsyncIterator[Documents]:
    documents = FirestoreDocuments(f"demo-store-{secrets.token_hex(4)}")
    yield documents
    await documents.close()


class TestCommits(CommitContract):
    """On Firestore."""


class TestQueries(QueryContract):
    """On Firestore."""
