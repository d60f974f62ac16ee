"""What every `Documents` adapter promises about reads and commits. Subclasses provide the fixture `documents`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from shared.domain.errors import DocumentTooLarge, Internal, InvalidArgument
from shared.domain.writes import Create, Delete, Increment, Merge, Put, ServerTime, Update, Write
from shared.ports.documents import CommitRefused, Documents

INSTANT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"


async def fields_of(documents: Documents, path: str) -> Mapping[str, Any] | None:
    return (await documents.get(path)).fields


class CommitContract:
    """Values, conditions, transforms and times."""

    @pytest.fixture
    def at(self) -> str:
        """The path of a collection that no other test uses."""
        return f"contract_{secrets.token_hex(8)}"

    async def test_every_kind_of_value_comes_back_as_it_was(self, documents: Documents, at: str) -> None:
        fields: dict[str, Any] = {
            "none": None,
            "yes": True,
            "whole": -(1 << 63),
            "real": 1.5,
            "text": "höhe\n\u2603",
            "raw": b"\x00\xff",
            "instant": INSTANT,
            "list": [1, {"deep": [2, {"deeper": []}]}],
            "map": {"a.b": {"c d": 1}, "empty": {}},
        }
        await documents.commit([Create(f"{at}/a", fields)])
        assert await fields_of(documents, f"{at}/a") == fields

    async def test_a_member_of_an_enumeration_comes_back_as_plain_text(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"colour": Colour.RED})])
        fields = await fields_of(documents, f"{at}/a")
        assert fields is not None
        assert type(fields["colour"]) is str

    async def test_what_a_reader_does_to_its_copy_changes_nothing(self, documents: Documents, at: str) -> None:
        given = {"list": [1]}
        await documents.commit([Create(f"{at}/a", given)])
        given["list"].append(2)
        fields = await fields_of(documents, f"{at}/a")
        assert fields is not None
        fields["list"].append(3)
        assert await fields_of(documents, f"{at}/a") == {"list": [1]}

    async def test_a_missing_document_reads_as_missing(self, documents: Documents, at: str) -> None:
        snapshot = await documents.get(f"{at}/none")
        assert (snapshot.exists, snapshot.update_time, snapshot.id) == (False, None, "none")

    async def test_several_documents_come_in_the_order_asked_for(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/{name}", {"name": name}) for name in "abc"])
        paths = [f"{at}/{name}" for name in ("c", "none", "a", "c")]
        snapshots = await documents.get_many(paths)
        assert [snapshot.path for snapshot in snapshots] == paths
        assert [s.fields and s.fields["name"] for s in snapshots] == ["c", None, "a", "c"]
        assert len({snapshot.read_time for snapshot in snapshots}) == 1

    async def test_reading_no_document_and_writing_nothing_are_possible(self, documents: Documents) -> None:
        assert await documents.get_many([]) == []
        assert (await documents.commit([])).sums == ()

    @pytest.mark.parametrize(
        "refused",
        [
            Create("here", {"n": 2}),
            Update("none", {"n": 2}),
            Update("here", {"n": 2}, seen=LONG_AGO),
            Update("none", {"n": 2}, seen=LONG_AGO),
            Delete("none", must_exist=True),
            Delete("here", seen=LONG_AGO),
            Delete("none", seen=LONG_AGO),
        ],
        ids=[
            "create what is there",
            "update what is missing",
            "update what has changed",
            "update what is gone",
            "delete what is missing",
            "delete what has changed",
            "delete what is gone",
        ],
    )
    async def test_one_condition_that_fails_refuses_the_whole_commit(
        self, documents: Documents, at: str, refused: Write
    ) -> None:
        await documents.commit([Create(f"{at}/here", {"n": 1})])
        with pytest.raises(CommitRefused):
            await documents.commit([Put(f"{at}/other", {"n": 1}), replace(refused, path=f"{at}/{refused.path}")])
        assert await fields_of(documents, f"{at}/here") == {"n": 1}
        assert not (await documents.get(f"{at}/other")).exists

    async def test_put_replaces_and_merge_and_update_keep_the_other_fields(self, documents: Documents, at: str) -> None:
        old = {"kept": 1, "map": {"old": 1}}
        await documents.commit([Create(f"{at}/{name}", old) for name in ("p", "m", "u")])
        new = {"map": {"new": 1}}
        await documents.commit([Put(f"{at}/p", new), Merge(f"{at}/m", new), Update(f"{at}/u", new)])
        snapshots = await documents.get_many([f"{at}/{name}" for name in ("p", "m", "u")])
        merged = {"kept": 1, "map": {"new": 1}}
        assert [snapshot.fields for snapshot in snapshots] == [new, merged, merged]

    async def test_put_and_merge_make_what_is_missing(self, documents: Documents, at: str) -> None:
        await documents.commit([Put(f"{at}/p", {"n": 1}), Merge(f"{at}/m", {"n": 1})])
        snapshots = await documents.get_many([f"{at}/p", f"{at}/m"])
        assert [snapshot.fields for snapshot in snapshots] == [{"n": 1}, {"n": 1}]

    async def test_deleting_what_is_missing_is_no_error(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1})])
        await documents.commit([Delete(f"{at}/a", must_exist=True), Delete(f"{at}/none")])
        assert not (await documents.get(f"{at}/a")).exists

    async def test_a_document_may_be_empty(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {})])
        assert await fields_of(documents, f"{at}/a") == {}

    async def test_what_was_seen_can_be_changed_once(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1})])
        seen = (await documents.get(f"{at}/a")).update_time
        await documents.commit([Update(f"{at}/a", {"n": 2}, seen=seen)])
        with pytest.raises(CommitRefused):
            await documents.commit([Update(f"{at}/a", {"n": 3}, seen=seen)])
        seen = (await documents.get(f"{at}/a")).update_time
        await documents.commit([Delete(f"{at}/a", seen=seen)])
        assert not (await documents.get(f"{at}/a")).exists

    async def test_of_many_who_create_at_once_one_succeeds(self, documents: Documents, at: str) -> None:
        claims = [documents.commit([Create(f"{at}/a", {"by": n})]) for n in range(8)]
        outcomes = await asyncio.gather(*claims, return_exceptions=True)
        assert sum(isinstance(outcome, CommitRefused) for outcome in outcomes) == 7

    async def test_increments_add_up_and_return_their_sums_by_name(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"left": 3})])
        writes: list[Write] = [
            Update(f"{at}/a", {"ok": Increment(1), "beat": ServerTime(), "left": Increment(-1)}),
            Put(f"{at}/b", {"x": 1}),
            Merge(f"{at}/c", {"z": Increment(5), "b": 1, "a": Increment(0)}),
            Create(f"{at}/d", {"n": Increment(2)}),
            Delete(f"{at}/b"),
        ]
        sums = (await documents.commit(writes)).sums
        assert sums == ({"ok": 1, "left": 2}, {}, {"z": 5, "a": 0}, {"n": 2}, {})
        fields = await fields_of(documents, f"{at}/a")
        assert fields is not None
        assert (fields["left"], fields["ok"]) == (2, 1)
        assert await fields_of(documents, f"{at}/c") == {"z": 5, "b": 1, "a": 0}

    async def test_put_counts_from_nothing_and_so_does_what_is_no_number(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 3}), Create(f"{at}/b", {"n": "three"})])
        writes = [Put(f"{at}/a", {"n": Increment(1)}), Update(f"{at}/b", {"n": Increment(1)})]
        assert (await documents.commit(writes)).sums == ({"n": 1}, {"n": 1})

    async def test_concurrent_increments_see_each_sum_once(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"left": 10})])
        steps = [documents.commit([Update(f"{at}/a", {"left": Increment(-1)})]) for _ in range(10)]
        results = await asyncio.gather(*steps)
        assert sorted(result.sums[0]["left"] for result in results) == list(range(10))

    async def test_writes_to_one_document_apply_in_order(self, documents: Documents, at: str) -> None:
        path = f"{at}/a"
        writes: list[Write] = [
            Create(path, {"n": 1, "first": True}),
            Update(path, {"n": Increment(1)}),
            Update(path, {"n": Increment(3), "last": True}),
        ]
        assert (await documents.commit(writes)).sums == ({}, {"n": 2}, {"n": 5})
        assert await fields_of(documents, path) == {"n": 5, "first": True, "last": True}
        await documents.commit([Delete(path), Create(path, {"n": 0})])
        assert await fields_of(documents, path) == {"n": 0}

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (Create("a", {}), Create("a", {})),
            (Put("a", {}), Create("a", {})),
            (Delete("a"), Update("a", {"n": 1})),
            (Delete("a"), Delete("a", must_exist=True)),
            (Put("a", {}), Update("a", {"n": 1}, seen=LONG_AGO)),
            (Update("a", {"n": 1}), Delete("a", seen=LONG_AGO)),
        ],
    )
    @pytest.mark.parametrize("stored", [[], [Create("a", {"n": 0})]], ids=["missing", "present"])
    async def test_writes_that_contradict_each_other_are_a_defect(
        self, documents: Documents, at: str, first: Write, second: Write, stored: list[Write]
    ) -> None:
        await documents.commit([replace(write, path=f"{at}/a") for write in stored])
        with pytest.raises(Internal):
            await documents.commit([replace(write, path=f"{at}/a") for write in (first, second)])
        assert await fields_of(documents, f"{at}/a") == ({"n": 0} if stored else None)

    async def test_two_writes_may_both_name_what_was_seen(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1})])
        seen = (await documents.get(f"{at}/a")).update_time
        both: list[Write] = [Update(f"{at}/a", {name: 1}, seen=seen) for name in ("x", "y")]
        await documents.commit(both)
        with pytest.raises(CommitRefused):
            await documents.commit(both)
        assert await fields_of(documents, f"{at}/a") == {"n": 1, "x": 1, "y": 1}

    async def test_a_map_can_be_emptied(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/{name}", {"map": {"n": 1}, "kept": 1}) for name in "mu"])
        await documents.commit([Merge(f"{at}/m", {"map": {}}), Update(f"{at}/u", {"map": {}})])
        snapshots = await documents.get_many([f"{at}/m", f"{at}/u"])
        assert [snapshot.fields for snapshot in snapshots] == [{"map": {}, "kept": 1}] * 2

    @pytest.mark.parametrize("write", [Merge("a", {}), Update("a", {})])
    async def test_a_change_names_at_least_one_field(self, documents: Documents, at: str, write: Write) -> None:
        with pytest.raises(Internal):
            await documents.commit([replace(write, path=f"{at}/a")])

    async def test_update_times_grow_and_are_one_for_a_commit(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1}), Create(f"{at}/b", {"n": 1})])
        first, second = await documents.get_many([f"{at}/a", f"{at}/b"])
        assert first.update_time is not None
        assert first.update_time == second.update_time
        await documents.commit([Update(f"{at}/a", {"n": 2})])
        third, fourth = await documents.get_many([f"{at}/a", f"{at}/b"])
        assert third.update_time is not None
        assert third.update_time > first.update_time
        assert fourth.update_time == first.update_time
        assert third.read_time >= third.update_time

    async def test_a_write_that_changes_nothing_keeps_the_update_time(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1})])
        before = await documents.get(f"{at}/a")
        await documents.commit([Put(f"{at}/a", {"n": 1}), Update(f"{at}/a", {"n": Increment(0)})])
        assert (await documents.get(f"{at}/a")).update_time == before.update_time

    async def test_a_write_that_changes_nothing_holds_only_while_a_document_is_as_it_was_seen(
        self, documents: Documents, at: str
    ) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1, "m": 1})])
        before = await documents.get(f"{at}/a")
        same = Update(f"{at}/a", {"n": 1}, seen=before.update_time)
        await documents.commit([same, Create(f"{at}/b", {})])
        after = await documents.get(f"{at}/a")
        assert (after.fields, after.update_time) == (before.fields, before.update_time)
        await documents.commit([Update(f"{at}/a", {"m": 2})])
        with pytest.raises(CommitRefused):
            await documents.commit([same, Create(f"{at}/c", {})])
        assert not (await documents.get(f"{at}/c")).exists

    async def test_a_commit_tells_when_it_changed_what_it_changed(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"n": 1}), Create(f"{at}/gone", {})])
        committed = await documents.commit(
            [Put(f"{at}/a", {"n": 1}), Delete(f"{at}/gone"), Merge(f"{at}/b", {"n": Increment(1)})]
        )
        assert (await documents.get(f"{at}/b")).update_time == committed.update_time
        assert committed.update_time is not None
        again = await documents.commit([Update(f"{at}/b", {"n": 5}, seen=committed.update_time)])
        assert again.update_time is not None
        assert again.update_time > committed.update_time

    async def test_server_time_is_the_commits(self, documents: Documents, at: str) -> None:
        writes = [Create(f"{at}/a", {"at": ServerTime()}), Create(f"{at}/b", {"at": ServerTime()})]
        await documents.commit(writes)
        first, second = await documents.get_many([f"{at}/a", f"{at}/b"])
        assert first.fields is not None
        assert second.fields is not None
        assert first.update_time is not None
        assert first.fields["at"] == second.fields["at"]
        assert abs(first.fields["at"] - first.update_time) < timedelta(seconds=1)

    async def test_what_is_too_large_is_refused(self, documents: Documents, at: str) -> None:
        await documents.commit([Create(f"{at}/a", {"half": "x" * 600_000})])
        with pytest.raises(DocumentTooLarge):
            await documents.commit([Create(f"{at}/b", {"text": "x" * 1_048_576})])
        with pytest.raises(DocumentTooLarge):
            await documents.commit([Merge(f"{at}/a", {"other": "x" * 600_000})])
        whole = [Create(f"{at}/many{n}", {"text": "x" * 1_000_000}) for n in range(11)]
        with pytest.raises(DocumentTooLarge):
            await documents.commit(whole)
        assert not (await documents.get(f"{at}/b")).exists

    async def test_five_hundred_writes_are_the_most(self, documents: Documents, at: str) -> None:
        writes = [Create(f"{at}/{n}", {"n": n}) for n in range(501)]
        with pytest.raises(Internal):
            await documents.commit(writes)
        assert len((await documents.commit(writes[:500])).sums) == 500

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"n": [[1]]}, Internal),
            ({"n": {1, 2}}, Internal),
            ({"n": {"m": Increment(1)}}, Internal),
            ({"a.b": 1}, Internal),
            ({"n": datetime(2026, 1, 1)}, Internal),  # noqa: DTZ001 - what is refused
            ({"n": "\ud800"}, InvalidArgument),
            ({"n": 1 << 63}, InvalidArgument),
        ],
    )
    async def test_what_cannot_be_stored_is_refused(
        self, documents: Documents, at: str, fields: Mapping[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await documents.commit([Create(f"{at}/a", fields)])

    @pytest.mark.parametrize("name", ["", ".", "..", "__x__", "x" * 1501])
    async def test_what_cannot_be_an_id_is_refused(self, documents: Documents, at: str, name: str) -> None:
        with pytest.raises(InvalidArgument):
            await documents.commit([Put(f"{at}/{name}", {})])

    @pytest.mark.parametrize("name", ["review[3]~0", "$end~1", "a%2Fb.txt", "ä ö", "0001-0001-000001"])
    async def test_ids_of_the_engine_are_possible(self, documents: Documents, at: str, name: str) -> None:
        await documents.commit([Create(f"{at}/{name}", {"n": 1})])
        assert (await documents.get(f"{at}/{name}")).id == name
