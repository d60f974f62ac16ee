"""What every store of secrets promises. Subclasses give a fixture `store`."""

from __future__ import annotations

import asyncio
import secrets

from shared.domain.secrets import MAX_SECRET_BYTES, EntryId, SecretText
from shared.ports.secret_store import SecretStore

VALUE = SecretText("hunter2-hunter2")


def fresh() -> EntryId:
    return EntryId(secrets.token_hex(10))


async def value_of(store: SecretStore, entry: EntryId) -> str | None:
    found = await store.read(entry)
    return None if found is None else found.reveal()


class SecretStoreContract:
    async def test_what_was_written_is_read(self, store: SecretStore) -> None:
        entry = fresh()
        await store.write(entry, VALUE)
        assert await value_of(store, entry) == VALUE.reveal()

    async def test_values_are_kept_to_the_letter(self, store: SecretStore) -> None:
        for text in (" spaces \t\n", "größer ☃ \U0001f525", "\0zero", "x" * MAX_SECRET_BYTES):
            entry = fresh()
            await store.write(entry, SecretText(text))
            assert await value_of(store, entry) == text

    async def test_what_was_never_written_is_not_there(self, store: SecretStore) -> None:
        assert await store.read(fresh()) is None

    async def test_entries_are_apart(self, store: SecretStore) -> None:
        entries = [fresh() for _ in range(5)]
        await asyncio.gather(*(store.write(entry, SecretText(f"value {entry}")) for entry in entries))
        assert [await value_of(store, entry) for entry in entries] == [f"value {entry}" for entry in entries]

    async def test_an_entry_never_changes(self, store: SecretStore) -> None:
        entry = fresh()
        await store.write(entry, VALUE)
        await store.write(entry, VALUE)
        await store.write(entry, SecretText("another-value"))
        assert await value_of(store, entry) == VALUE.reveal()

    async def test_what_was_deleted_is_gone(self, store: SecretStore) -> None:
        entry = fresh()
        await store.write(entry, VALUE)
        await store.delete(entry)
        assert await store.read(entry) is None

    async def test_deleting_what_is_not_there_does_nothing(self, store: SecretStore) -> None:
        kept, gone = fresh(), fresh()
        await store.write(kept, VALUE)
        await store.delete(gone)
        assert await value_of(store, kept) == VALUE.reveal()
