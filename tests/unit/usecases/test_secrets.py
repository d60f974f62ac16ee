"""People's secrets: one value a name, never shown, and none left behind whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.adapters.memory.secrets import MemorySecretStore
from shared.domain.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    TooManyKept,
    Unavailable,
)
from shared.domain.ids import Uid
from shared.domain.secrets import LONGEST_WRITE, MAX_SECRETS, EntryId, SecretText
from shared.domain.writes import Update, Write
from shared.ports.documents import Committed, Documents
from shared.usecases.secrets.delete_secret import delete_secret
from shared.usecases.secrets.destroy_secrets import destroy_secrets
from shared.usecases.secrets.list_secrets import list_secrets
from shared.usecases.secrets.put_secret import put_secret
from shared.usecases.secrets.read_secrets import read_secrets
from shared.usecases.secrets.vault import Vault
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time

ADA, BOB = Uid("ada"), Uid("bob")
OLD, NEW = SecretText("old-canary"), SecretText("new-canary")


class SilentStore(MemorySecretStore):
    """A store that stops answering: writes never arrive, deletions fail."""

    silent = False

    async def write(self, entry: EntryId, value: SecretText) -> None:
        self._check()
        await super().write(entry, value)

    async def delete(self, entry: EntryId) -> None:
        self._check()
        await super().delete(entry)

    def _check(self) -> None:
        if self.silent:
            raise Unavailable("silent")


class Safe:
    """A deployment in memory."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.documents = MemoryDocuments(self.clock)
        self.store = SilentStore()
        self.vault = Vault(self.documents, self.store, self.clock, MemoryIds())

    def on(self, documents: Documents) -> Vault:
        return replace(self.vault, documents=documents)

    async def value(self, name: str = "token", owner: Uid = ADA) -> str:
        return (await read_secrets(self.vault, owner, [name]))[name].reveal()

    async def names(self, owner: Uid = ADA) -> list[str]:
        return [secret.name for secret in (await list_secrets(self.documents, owner, 100, None)).items]

    async def put(self, value: SecretText = OLD, name: str = "token", owner: Uid = ADA) -> bool:
        self.clock.jump(1)
        return (await put_secret(self.vault, owner, name, value))[1]


@pytest.fixture
def safe() -> Safe:
    return Safe()


async def test_a_secret_is_stored_replaced_and_deleted(safe: Safe) -> None:
    assert await safe.put(OLD) is True
    assert await safe.value() == OLD.reveal()
    assert await safe.put(NEW) is False
    assert await safe.value() == NEW.reveal()
    assert len(safe.store.entries) == 1
    await delete_secret(safe.vault, ADA, "token")
    assert (safe.store.entries, safe.documents.paths, await safe.names()) == ([], [], [])
    with pytest.raises(NotFound):
        await delete_secret(safe.vault, ADA, "token")


async def test_a_value_that_is_written_while_everything_is_destroyed_is_destroyed_too(safe: Safe) -> None:
    await safe.put(OLD)

    async def write() -> None:
        await safe.put(NEW)

    await destroy_secrets(safe.on(InterferingDocuments(safe.documents, write, before_commit=1)), ADA)
    assert (safe.store.entries, safe.documents.paths) == ([], [])


async def test_a_value_that_arrives_after_everything_was_destroyed_is_destroyed_by_its_writer(safe: Safe) -> None:
    class Late(MemorySecretStore):
        async def write(self, entry: EntryId, value: SecretText) -> None:
            await destroy_secrets(safe.vault, ADA)
            await safe.store.write(entry, value)

        async def delete(self, entry: EntryId) -> None:
            await safe.store.delete(entry)

    with pytest.raises(Aborted):
        await put_secret(replace(safe.vault, store=Late()), ADA, "token", NEW)
    assert (safe.store.entries, safe.documents.paths) == ([], [])


async def test_whoever_keeps_writing_is_told_to_stop(safe: Safe) -> None:
    await safe.put(OLD)
    busy = InterferingDocuments(safe.documents, lambda: safe.put(NEW), before_each=1)
    with pytest.raises(Aborted):
        await destroy_secrets(safe.on(busy), ADA)


async def test_no_document_holds_a_value(safe: Safe) -> None:
    await safe.put(OLD)
    await safe.put(NEW)
    stored = [(await safe.documents.get(path)).fields for path in safe.documents.paths]
    assert stored
    assert "canary" not in repr(stored)


async def test_everybody_has_names_of_their_own(safe: Safe) -> None:
    await safe.put(OLD, owner=ADA)
    await safe.put(NEW, owner=BOB)
    assert (await safe.value(owner=ADA), await safe.value(owner=BOB)) == (OLD.reveal(), NEW.reveal())
    await delete_secret(safe.vault, BOB, "token")
    assert await safe.value(owner=ADA) == OLD.reveal()
    assert await safe.names(BOB) == []


async def test_every_missing_secret_is_named_at_once(safe: Safe) -> None:
    await safe.put(OLD, "there")
    with pytest.raises(FailedPrecondition, match="'gone', 'never'"):
        await read_secrets(safe.vault, ADA, ["there", "never", "gone"])
    assert await read_secrets(safe.vault, ADA, []) == {}


async def test_an_entry_that_was_removed_by_hand_is_a_missing_secret(safe: Safe) -> None:
    await safe.put(OLD)
    await safe.store.delete(EntryId(safe.store.entries[0]))
    with pytest.raises(FailedPrecondition, match="token"):
        await safe.value()


async def test_names_are_listed_in_order_and_in_pages(safe: Safe) -> None:
    for name in ("b", "c", "A"):
        await safe.put(OLD, name)
    first = await list_secrets(safe.documents, ADA, 2, None)
    rest = await list_secrets(safe.documents, ADA, 2, first.next_page_token)
    assert [secret.name for secret in (*first.items, *rest.items)] == ["A", "b", "c"]


async def test_a_value_that_is_no_secret_is_refused_before_anything_is_written(safe: Safe) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await safe.put(SecretText("short"))
    assert refused.value.faults[0].path == "value"
    assert (safe.documents.paths, safe.store.entries) == ([], [])


async def test_one_person_has_only_so_many(safe: Safe) -> None:
    for number in range(MAX_SECRETS):
        await safe.put(OLD, f"n{number:03}")
    with pytest.raises(TooManyKept):
        await safe.put(OLD, "one-more")
    await safe.put(NEW, "n000")
    assert await safe.value("n000") == NEW.reveal()


async def test_while_the_store_is_silent_the_old_value_is_used_and_the_next_change_cleans_up(safe: Safe) -> None:
    await safe.put(OLD)
    safe.store.silent = True
    with pytest.raises(Unavailable):
        await safe.put(NEW)
    assert await safe.value() == OLD.reveal()
    with pytest.raises(Unavailable):
        await delete_secret(safe.vault, ADA, "token")
    assert await safe.names() == []
    safe.store.silent = False
    await delete_secret(safe.vault, ADA, "token")
    safe.clock.jump(LONGEST_WRITE.total_seconds() + 1)
    await safe.put(NEW)
    assert (await safe.value(), len(safe.store.entries)) == (NEW.reveal(), 1)


STEPS = [*product(range(3), set(Fate) - {Fate.APPLIED})]


@pytest.mark.parametrize(("commit", "fate"), STEPS, ids=[f"{fate.value} {commit}" for commit, fate in STEPS])
async def test_whatever_becomes_of_a_commit_no_value_is_left_behind(safe: Safe, commit: int, fate: Fate) -> None:
    await safe.put(OLD)
    documents = FailingDocuments(safe.documents, at_commit(commit, fate))
    with suppress(DomainError, Died):
        await put_secret(safe.on(documents), ADA, "token", NEW)
    assert await safe.value() in {OLD.reveal(), NEW.reveal()}
    assert await safe.names() == ["token"]
    safe.clock.jump(LONGEST_WRITE.total_seconds() + 1)
    await safe.put(NEW)
    assert (await safe.value(), len(safe.store.entries)) == (NEW.reveal(), 1)
    await delete_secret(safe.vault, ADA, "token")
    assert (safe.documents.paths, safe.store.entries) == ([], [])


async def test_many_at_once_leave_the_value_of_one(safe: Safe) -> None:
    values = [SecretText(f"value-number-{number}") for number in range(8)]
    tasks = [asyncio.ensure_future(put_secret(safe.vault, ADA, "token", value)) for value in values]
    while not all(task.done() for task in tasks):
        await safe.clock.advance(0.01)
    outcomes: list[Any] = await asyncio.gather(*tasks)
    assert [first for _, first in outcomes].count(True) == 1
    assert await safe.value() in {value.reveal() for value in values}
    assert len(safe.store.entries) == 1


async def test_a_secret_that_is_deleted_while_it_is_replaced_ends_deleted_or_replaced(safe: Safe) -> None:
    await safe.put(OLD)

    async def delete() -> None:
        await delete_secret(safe.vault, ADA, "token")

    await put_secret(safe.on(InterferingDocuments(safe.documents, delete, before_commit=2)), ADA, "token", NEW)
    assert (await safe.value(), len(safe.store.entries)) == (NEW.reveal(), 1)


async def test_a_writer_that_was_given_up_points_at_nothing(safe: Safe) -> None:
    async def another() -> None:
        safe.clock.jump(LONGEST_WRITE.total_seconds() + 1)
        await put_secret(safe.vault, ADA, "token", OLD)

    with pytest.raises(Aborted):
        await put_secret(safe.on(InterferingDocuments(safe.documents, another, before_commit=2)), ADA, "token", NEW)
    assert await safe.value() == OLD.reveal()


async def test_a_secret_that_others_keep_changing_is_given_up(safe: Safe) -> None:
    class Contended(ForwardingDocuments):
        """Somebody else changes a document before each change of it."""

        changes = 0

        async def commit(self, writes: Sequence[Write]) -> Committed:
            if isinstance(writes[0], Update):
                self.changes += 1
                await super().commit([Update(writes[0].path, {"other": self.changes})])
            return await super().commit(writes)

    with pytest.raises(Aborted):
        await in_time(safe.clock, put_secret(safe.on(Contended(MemoryDocuments(safe.clock))), ADA, "token", OLD))
