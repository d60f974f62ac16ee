"""What two writes to one document come to, in memory and on Firestore, for every pair of kinds."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import product
from typing import Any, TypeAlias

import pytest

from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.errors import Internal
from shared.domain.writes import Create, Delete, Increment, Merge, Put, Update, Write
from shared.ports.documents import CommitRefused, Documents

Maker: TypeAlias = Callable[[str, datetime | None], Write]

KINDS: Mapping[str, Maker] = {
    "create": lambda path, _: Create(path, {"n": 2}),
    "put": lambda path, _: Put(path, {"n": 3}),
    "merge": lambda path, _: Merge(path, {"m": 3}),
    "increment": lambda path, _: Merge(path, {"n": Increment(10)}),
    "update": lambda path, _: Update(path, {"u": 3}),
    "update_as_seen": lambda path, seen: Update(path, {"s": 3}, seen=seen),
    "delete": lambda path, _: Delete(path),
    "delete_present": lambda path, _: Delete(path, must_exist=True),
    "delete_as_seen": lambda path, seen: Delete(path, seen=seen),
}


async def outcome(documents: Documents, first: Maker, second: Maker, stored: list[Write]) -> tuple[str, Any]:
    path = f"pairs_{secrets.token_hex(8)}/a"
    await documents.commit([Create(path, write.fields) for write in stored if isinstance(write, Create)])
    seen = (await documents.get(path)).update_time
    try:
        await documents.commit([first(path, seen), second(path, seen)])
    except (CommitRefused, Internal) as error:
        return type(error).__name__, (await documents.get(path)).fields
    return "applied", (await documents.get(path)).fields


@pytest.mark.parametrize("stored", [[], [Create("a", {"n": 1})]], ids=["missing", "present"])
async def test_two_writes_to_one_document_come_to_the_same(stored: list[Write]) -> None:
    firestore, memory = FirestoreDocuments(f"demo-store-{secrets.token_hex(4)}"), MemoryDocuments()
    expected, actual = {}, {}
    for first, second in product(KINDS, KINDS):
        pair = first, second
        expected[pair] = await outcome(firestore, KINDS[first], KINDS[second], stored)
        actual[pair] = await outcome(memory, KINDS[first], KINDS[second], stored)
    await firestore.close()
    assert actual == expected
