"""What every `Documents` adapter promises about queries. Subclasses provide the fixture `documents`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.errors import Internal
from shared.domain.writes import Create
from shared.ports.documents import Documents, Filter, Order, Query

DAY = datetime(2026, 1, 1, tzinfo=UTC)

MIXED: Mapping[str, Mapping[str, Any]] = {
    "a_none": {"v": None},
    "b_false": {"v": False},
    "c_true": {"v": True},
    "d_minus": {"v": -1.5},
    "e_one": {"v": 1},
    "f_one_real": {"v": 1.0},
    "g_two": {"v": 2},
    "h_instant": {"v": DAY},
    "i_text": {"v": "a"},
    "j_text_z": {"v": "z"},
    "k_bytes": {"v": b"a"},
    "l_list": {"v": [1, 2]},
    "m_list_longer": {"v": [1, 2, 0]},
    "n_map": {"v": {"a": 1}},
    "z_absent": {"w": 1},
}
NUMBERS = ["d_minus", "e_one", "f_one_real", "g_two"]

PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "ann": {"city": "oslo", "age": 30, "tags": ["x", "y"]},
    "bob": {"city": "oslo", "age": 20, "tags": ["y"]},
    "cid": {"city": "rome", "age": 30, "tags": []},
    "dan": {"city": "rome", "age": 40, "tags": ["x"]},
    "eve": {"city": "oslo", "age": 30},
    "fay": {"city": "bonn"},
}


async def filled(documents: Documents, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Store the rows in a collection that no other test uses, with neighbours that no query may find."""
    at = f"contract_{secrets.token_hex(8)}"
    await documents.commit([Create(f"{at}/{id_}", fields) for id_, fields in rows.items()])
    stranger = {"v": 1, "city": "oslo", "age": 30, "tags": ["x"]}
    await documents.commit([Create(f"{at}/ann/below/one", stranger), Create(f"{at}x/one", stranger)])
    return at


async def ids(documents: Documents, query: Query) -> list[str]:
    return [snapshot.id for snapshot in await documents.query(query)]


class QueryContract:
    """Matching, ordering, and pages."""

    async def test_without_conditions_all_come_in_the_order_of_their_ids(self, documents: Documents) -> None:
        at = await filled(documents, PEOPLE)
        snapshots = await documents.query(Query(at))
        assert {s.id: s.fields for s in snapshots} == PEOPLE
        assert [s.id for s in snapshots] == sorted(PEOPLE)
        assert all(s.update_time and s.read_time >= s.update_time for s in snapshots)
        assert {s.path for s in snapshots} == {f"{at}/{id_}" for id_ in PEOPLE}

    async def test_a_collection_below_a_document_is_its_own(self, documents: Documents) -> None:
        at = await filled(documents, PEOPLE)
        assert await ids(documents, Query(f"{at}/ann/below")) == ["one"]
        assert await ids(documents, Query(f"{at}/bob/below")) == []

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            (("city", "==", "oslo"), ["ann", "bob", "eve"]),
            (("city", "in", ["rome", "bonn"]), ["cid", "dan", "fay"]),
            (("tags", "array_contains", "x"), ["ann", "dan"]),
            (("age", "<", 30), ["bob"]),
            (("age", "<=", 30), ["bob", "ann", "cid", "eve"]),
            (("age", ">", 30), ["dan"]),
            (("age", ">=", 30), ["ann", "cid", "eve", "dan"]),
            (("absent", "==", 1), []),
        ],
    )
    async def test_a_condition_selects(
        self, documents: Documents, where: tuple[Any, Any, Any], found: list[str]
    ) -> None:
        at = await filled(documents, PEOPLE)
        assert await ids(documents, Query(at, where=(Filter(*where),))) == found

    @pytest.mark.parametrize(
        ("operator", "value", "found"),
        [
            ("==", None, ["a_none"]),
            ("==", True, ["c_true"]),
            ("==", 1, ["e_one", "f_one_real"]),
            ("==", 1.0, ["e_one", "f_one_real"]),
            ("==", DAY, ["h_instant"]),
            ("==", [1, 2], ["l_list"]),
            ("==", {"a": 1}, ["n_map"]),
            ("in", [None, 1, "a"], ["e_one", "f_one_real", "i_text"]),
            ("<=", 10**9, NUMBERS),
            (">", -(10**9), NUMBERS),
            (">=", DAY, ["h_instant"]),
            ("<", "zz", ["i_text", "j_text_z"]),
            (">", "", ["i_text", "j_text_z"]),
            (">=", False, ["b_false", "c_true"]),
        ],
    )
    async def test_only_values_of_one_type_are_compared(
        self, documents: Documents, operator: Any, value: Any, found: list[str]
    ) -> None:
        at = await filled(documents, MIXED)
        assert await ids(documents, Query(at, where=(Filter("v", operator, value),))) == found

    async def test_types_have_an_order_and_what_lacks_the_field_is_left_out(self, documents: Documents) -> None:
        at = await filled(documents, MIXED)
        rising = await ids(documents, Query(at, order_by=(Order("v"),)))
        assert rising == [id_ for id_ in MIXED if id_ != "z_absent"]
        falling = await ids(documents, Query(at, order_by=(Order("v", descending=True),)))
        assert falling == rising[::-1]

    @pytest.mark.parametrize(
        ("orders", "found"),
        [
            ((Order("age"),), ["bob", "ann", "cid", "eve", "dan"]),
            ((Order("age", descending=True),), ["dan", "eve", "cid", "ann", "bob"]),
            ((Order("city"), Order("age")), ["bob", "ann", "eve", "cid", "dan"]),
            ((Order("city"), Order("age", descending=True)), ["eve", "ann", "bob", "dan", "cid"]),
            ((Order("city", descending=True), Order("age")), ["cid", "dan", "bob", "ann", "eve"]),
        ],
    )
    async def test_the_id_is_the_last_sort_key_in_the_same_direction(
        self, documents: Documents, orders: tuple[Order, ...], found: list[str]
    ) -> None:
        at = await filled(documents, PEOPLE)
        assert await ids(documents, Query(at, order_by=orders)) == found

    async def test_conditions_combine(self, documents: Documents) -> None:
        at = await filled(documents, PEOPLE)
        where = (Filter("city", "==", "oslo"), Filter("age", ">", 20), Filter("age", "<", 40))
        assert await ids(documents, Query(at, where=where)) == ["ann", "eve"]
        contains = (Filter("tags", "array_contains", "y"), Filter("city", "==", "oslo"))
        newest = (Order("age", descending=True),)
        assert await ids(documents, Query(at, contains, newest, limit=1)) == ["ann"]

    async def test_an_inequality_sorts_by_its_field_after_the_orders_named(self, documents: Documents) -> None:
        at = await filled(documents, PEOPLE)
        where = (Filter("age", ">=", 20),)
        by_city = Query(at, where, (Order("city", descending=True),))
        assert await ids(documents, by_city) == ["dan", "cid", "eve", "ann", "bob"]

    @pytest.mark.parametrize("page_size", [1, 2, 3, 7])
    @pytest.mark.parametrize(
        "orders",
        [
            (),
            (Order("age"),),
            (Order("age", descending=True),),
            (Order("city", descending=True), Order("age")),
        ],
    )
    async def test_pages_put_together_are_the_whole(
        self, documents: Documents, orders: tuple[Order, ...], page_size: int
    ) -> None:
        at = await filled(documents, PEOPLE)
        whole = await ids(documents, Query(at, order_by=orders))
        paged: list[str] = []
        after: tuple[Any, ...] | None = None
        while page := await documents.query(Query(at, (), orders, page_size, after)):
            assert len(page) <= page_size
            paged += [snapshot.id for snapshot in page]
            last = page[-1].fields
            assert last is not None
            after = (*(last[order.field] for order in orders), page[-1].id)
        assert paged == whole

    async def test_a_cursor_goes_with_conditions(self, documents: Documents) -> None:
        at = await filled(documents, PEOPLE)
        oslo = (Filter("city", "==", "oslo"),)
        query = Query(at, oslo, (Order("age", descending=True),), 10, (30, "eve"))
        assert await ids(documents, query) == ["ann", "bob"]

    @pytest.mark.parametrize(
        "bad",
        [
            {"limit": 0},
            {"where": (Filter("age", "<", None),)},
            {"where": (Filter("age", "in", []),)},
            {"where": (Filter("age", "in", list(range(31))),)},
            {"order_by": (Order("age"),), "after": (1,)},
            {"where": (Filter("age", ">", 1),), "after": ("ann",)},
        ],
        ids=["no page", "less than null", "in nothing", "in 31", "half a cursor", "a cursor too short"],
    )
    async def test_a_query_that_production_refuses_is_refused(self, documents: Documents, bad: dict[str, Any]) -> None:
        with pytest.raises(Internal):
            await documents.query(Query("people", **bad))

    async def test_a_document_is_not_a_collection(self, documents: Documents) -> None:
        with pytest.raises(Internal):
            await documents.query(Query("people/ann"))
        with pytest.raises(Internal):
            await documents.get("people")
