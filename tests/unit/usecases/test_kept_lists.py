"""What a process keeps of the lists that it has read."""

from __future__ import annotations

from typing import Any

import pytest

from shared.usecases.nodes import kept_lists
from shared.usecases.nodes.kept_lists import KeptLists, Picked


class Store:
    """Lists that are read one by one."""

    def __init__(self, **lists: list[Any] | None) -> None:
        self.lists = lists
        self.kept = KeptLists()
        self.reads: list[str] = []

    async def pick(self, name: str, index: int = 0) -> Picked | None:
        async def read() -> list[Any] | None:
            self.reads.append(name)
            return self.lists[name]

        return await self.kept.pick(name, index, read)


async def test_a_list_is_read_once() -> None:
    store = Store(a=[1, {"b": 2}])
    assert [await store.pick("a", index) for index in range(3)] == [Picked(2, 1), Picked(2, {"b": 2}), None]
    assert store.reads == ["a"]


async def test_nobody_changes_what_another_one_picks() -> None:
    store = Store(a=[{"b": 2}])
    first = await store.pick("a")
    assert first is not None
    first.value["b"] = 3
    assert await store.pick("a") == Picked(1, {"b": 2})


async def test_a_list_that_is_not_there_yet_is_looked_for_again() -> None:
    store = Store(a=None)
    assert await store.pick("a") is None
    store.lists["a"] = []
    assert await store.pick("a") is None
    store.lists["a"] = [1]
    assert await store.pick("a") is None, "an empty list stays empty"
    assert store.reads == ["a", "a"]


@pytest.mark.parametrize(("limit", "most"), [("MOST_LISTS", 2), ("MOST_CHARACTERS", 24)])
async def test_the_oldest_are_forgotten_where_they_are_too_much(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(kept_lists, limit, most)
    store = Store(a=["0123456789"], b=["0123456789"], c=["0123456789"])
    for name in "abcbca":
        assert await store.pick(name) == Picked(1, "0123456789")
    assert store.reads == ["a", "b", "c", "a"]


async def test_the_last_is_kept_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_lists, "MOST_CHARACTERS", 5)
    store = Store(a=["0123456789"], b=["0123456789"])
    for name in "aabb":
        await store.pick(name)
    assert store.reads == ["a", "b"]
