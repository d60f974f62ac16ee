from __future__ import annotations

import pytest

from shared.adapters.memory.secrets import MemorySecretStore
from tests.support.port_contracts.secret_store import SecretStoreContract


class TestMemory(SecretStoreContract):
    """In memory."""

    @pytest.fixture
    def store(self) -> MemorySecretStore:
        return MemorySecretStore()
