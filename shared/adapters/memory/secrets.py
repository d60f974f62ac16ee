"""The secret store in memory, for unit tests."""

from __future__ import annotations

import asyncio

from shared.domain.secrets import EntryId, SecretText


class MemorySecretStore:
    """`SecretStore` in memory. Each call gives way once, as over a network."""

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[EntryId, SecretText] = {}

    @property
    def entries(self) -> list[EntryId]:
        """The ids of all entries, sorted."""
        return sorted(self._values)

    async def write(self, entry: EntryId, value: SecretText) -> None:
        """Keep a value under a new id."""
        await asyncio.sleep(0)
        self._values.setdefault(entry, value)

    async def read(self, entry: EntryId) -> SecretText | None:
        """The value, or None."""
        await asyncio.sleep(0)
        return self._values.get(entry)

    async def delete(self, entry: EntryId) -> None:
        """Destroy an entry."""
        await asyncio.sleep(0)
        self._values.pop(entry, None)
