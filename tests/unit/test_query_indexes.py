"""What production would say of our queries, which the emulator does not say."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from scripts.local.listener import Owned
from scripts.local.paths import ROOT
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.agent_history import Deed
from shared.domain.agents import AgentVersion
from shared.domain.approvals import Approval
from shared.domain.artifacts import ArtifactVersion
from shared.domain.dead_letters import DeadLetter
from shared.domain.events import Event
from shared.domain.facts import Fact
from shared.domain.nodes import NodeRun
from shared.domain.runs import Run
from shared.domain.schedules import Schedule, Tick
from shared.domain.segments import Segment
from shared.domain.sessions import Session
from shared.domain.webhooks import Delivery
from shared.ports.documents import Filter, Order, Query
from tests.support.query_guard import guarded_queries
from tests.support.query_indexes import Indexes, Shape

FILE = ROOT / "firestore.indexes.json"
INDEXES = Indexes.read(FILE)
NONE = Indexes((), frozenset())
CONTENT: Mapping[str, Any] = json.loads(FILE.read_text("utf-8"))
CLIENT_QUERIES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/client_queries.json").read_text("utf-8"))

LONG = {"actions", "attempts", "body", "content", "error_message", "message", "metadata", "parts", "reason", "text"}

A, B = Filter("a", "==", 1), Filter("b", "==", 1)
RISING, FALLING = Order("x"), Order("x", descending=True)
OLDER = Filter("x", "<", 1)
TAGGED = Filter("tags", "array_contains", "t")


@pytest.mark.parametrize(
    "query",
    [
        Query("c"),
        Query("c", (A,)),
        Query("c", (A, B)),
        Query("c", (Filter("a", "in", [1, 2]),)),
        Query("c", (TAGGED,)),
        Query("c", (), (RISING,)),
        Query("c", (), (FALLING,), 10, (1, "id")),
        Query("c", (OLDER,)),
        Query("c", (OLDER, Filter("x", ">", 0)), (FALLING,)),
        Query("c", (A, B), (Order("a"),)),
        Query("c", (A,), (Order("__name__"),)),
    ],
)
def test_a_query_that_single_field_indexes_serve_needs_no_other(query: Query) -> None:
    assert NONE.fault(query) is None


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (Query("c", (A,), (RISING,)), ["a ASCENDING", "x ASCENDING"]),
        (Query("p/1/c", (B, A), (FALLING,)), ["a ASCENDING", "b ASCENDING", "x DESCENDING"]),
        (Query("c", (A, OLDER)), ["a ASCENDING", "x ASCENDING"]),
        (Query("c", (Filter("a", "in", [1]),), (FALLING,)), ["a ASCENDING", "x DESCENDING"]),
        (Query("c", (), (FALLING, Order("y"))), ["x DESCENDING", "y ASCENDING"]),
        (Query("c", (OLDER, Filter("y", ">", 1))), ["x ASCENDING", "y ASCENDING"]),
        (Query("c", (OLDER,), (Order("y", descending=True),)), ["y DESCENDING", "x DESCENDING"]),
        (Query("c", (TAGGED, A)), ["a ASCENDING", "tags CONTAINS"]),
        (Query("c", (TAGGED,), (RISING,)), ["tags CONTAINS", "x ASCENDING"]),
    ],
)
def test_any_other_query_needs_a_composite_index(query: Query, fields: list[str]) -> None:
    index = Shape.of(query).index
    assert [f"{f['fieldPath']} {f.get('order') or f['arrayConfig']}" for f in index["fields"]] == fields
    assert index["collectionGroup"] == "c"
    assert NONE.fault(query) is not None
    assert Indexes([index], frozenset()).fault(query) is None


@pytest.mark.parametrize(
    "other",
    [
        {"collectionGroup": "d"},
        {"queryScope": "COLLECTION_GROUP"},
        {"fields": [{"fieldPath": "a", "order": "ASCENDING"}, {"fieldPath": "x", "order": "ASCENDING"}]},
        {"fields": [{"fieldPath": "x", "order": "DESCENDING"}, {"fieldPath": "a", "order": "ASCENDING"}]},
        {"fields": [{"fieldPath": "x", "order": "DESCENDING"}]},
    ],
    ids=["of another collection", "of another scope", "in another direction", "in another order", "of fewer fields"],
)
def test_an_index_that_is_almost_the_one_does_not_serve(other: Mapping[str, Any]) -> None:
    query = Query("c", (A,), (FALLING,))
    assert Indexes([{**Shape.of(query).index, **other}], frozenset()).fault(query) is not None


def test_the_direction_of_a_field_that_is_only_compared_does_not_matter() -> None:
    fields = [
        {"fieldPath": "b", "order": "DESCENDING"},
        {"fieldPath": "a", "order": "ASCENDING"},
        {"fieldPath": "x", "order": "DESCENDING"},
        {"fieldPath": "__name__", "order": "DESCENDING"},
    ]
    index = {"collectionGroup": "c", "queryScope": "COLLECTION", "fields": fields}
    assert Indexes([index], frozenset()).fault(Query("c", (A, B), (FALLING,))) is None


def test_a_field_that_is_exempt_serves_only_through_a_composite_index() -> None:
    exempt = frozenset({("c", "x")})
    query = Query("c", (A,), (RISING,))
    assert Indexes((), exempt).fault(Query("c", (), (RISING,))) is not None
    assert Indexes((), exempt).fault(Query("d", (), (RISING,))) is None
    assert Indexes([Shape.of(query).index], exempt).fault(query) is None


async def test_a_query_without_its_index_fails_the_test_that_asks_it() -> None:
    documents = MemoryDocuments()
    with guarded_queries(INDEXES) as guard:
        await documents.query(Query("anything", (A,)))
        with pytest.raises(AssertionError, match="lacks"):
            await documents.query(Query("anything", (A,), (RISING,)))
        assert len(guard.seen) == 2
        assert len(guard.faults) == 1
        guard.faults.clear()


async def test_a_missing_index_is_told_at_the_end_if_the_failure_was_swallowed() -> None:
    with pytest.raises(AssertionError, match="lacks"), guarded_queries(INDEXES):
        await asyncio.gather(MemoryDocuments().query(Query("c", (A,), (RISING,))), return_exceptions=True)


async def test_the_contracts_own_collections_are_not_guarded() -> None:
    with guarded_queries(INDEXES) as guard:
        await MemoryDocuments().query(Query("contract_1", (A,), (RISING,)))
    assert guard.seen == []


@pytest.mark.parametrize("declared", CLIENT_QUERIES, ids=[query["collection"] for query in CLIENT_QUERIES])
def test_what_clients_listen_to_has_its_index(declared: dict[str, Any]) -> None:
    where = tuple(Filter(field, operator, "") for field, operator in declared["where"])
    orders = tuple(Order(field, direction == "desc") for field, direction in declared["order_by"])
    assert INDEXES.fault(Query(declared["collection"], where, orders)) is None


def test_the_python_client_asks_only_what_is_declared() -> None:
    query = Owned("runs/r/nodes", "uid", after="a").target("projects/p/databases/d/documents").query
    structured: Any = query.structured_query
    condition = structured.where.field_filter
    asked = (condition.field.field_path, condition.op.name, structured.order_by[0].field.field_path)
    assert asked == ("owner_uid", "EQUAL", "__name__")
    assert all((q["where"], q["order_by"]) == ([["owner_uid", "=="]], [["__name__", "asc"]]) for q in CLIENT_QUERIES)


def test_the_browsers_client_asks_only_what_is_declared() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "web").glob("*.js"))
    assert set(re.findall(r"\bwhere\((.*?),", sources)) == {'"owner_uid"'}
    assert set(re.findall(r"\borderBy\((.*?)\)\)?", sources)) == {"documentId("}


def test_no_index_is_named_twice() -> None:
    indexes = [json.dumps(index, sort_keys=True) for index in CONTENT["indexes"]]
    fields = [(override["collectionGroup"], override["fieldPath"]) for override in CONTENT["fieldOverrides"]]
    assert len(set(indexes)) == len(indexes)
    assert fields == sorted(set(fields))


@pytest.mark.parametrize(
    ("group", "stored"),
    [
        ("approvals", Approval),
        ("runs", Run),
        ("nodes", NodeRun),
        ("sessions", Session),
        ("events", Event),
        ("segments", Segment),
        ("schedules", Schedule),
        ("ticks", Tick),
        ("facts", Fact),
        ("dead_letters", DeadLetter),
        ("deliveries", Delivery),
        ("versions", AgentVersion),
        ("history", Deed),
        ("versions", ArtifactVersion),
    ],
)
def test_what_may_be_long_is_exempt_from_indexing(group: str, stored: type) -> None:
    names = {
        name for name in (field.name for field in dataclasses.fields(stored)) if name.endswith("_json") or name in LONG
    }
    assert names
    assert {name for name in names if (group, name) not in INDEXES.exempt} == set()


def test_live_text_and_old_logs_expire() -> None:
    expiring = [(o["collectionGroup"], o["fieldPath"]) for o in CONTENT["fieldOverrides"] if o.get("ttl")]
    assert expiring == [(group, "expires_at") for group in ("deliveries", "segments", "suspects", "ticks")]
