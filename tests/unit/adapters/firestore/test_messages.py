"""The messages that go to Firestore and come from it, against those of the client library."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeAlias

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1 import SERVER_TIMESTAMP
from google.cloud.firestore_v1 import Increment as LibraryIncrement
from google.cloud.firestore_v1._helpers import (
    decode_value,  # pyright: ignore[reportUnknownVariableType] - the library says nothing of it
    encode_value,  # pyright: ignore[reportUnknownVariableType] - nor of it
)
from google.cloud.firestore_v1.async_client import AsyncClient
from google.cloud.firestore_v1.types.document import Value
from google.cloud.firestore_v1.types.firestore import CommitResponse
from google.cloud.firestore_v1.vector import Vector as LibraryVector
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from proto.datetime_helpers import DatetimeWithNanoseconds

from shared.adapters.firestore.batches import commit_request, committed
from shared.adapters.firestore.values import instant_of, put_instant, put_value, value_of
from shared.domain.writes import Create, Delete, Increment, Merge, Put, ServerTime, Update, Vector, Write

DATABASE = "projects/demo-messages/databases/(default)"
SEEN = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
EXACT = DatetimeWithNanoseconds(2026, 1, 2, 3, 4, 5, nanosecond=678_901_234, tzinfo=UTC)
FIELDS: dict[str, Any] = {"zeta": 1, "alpha": {"deep": {}, "a.b": [None]}, "at": ServerTime(), "count": Increment(-2)}
LIBRARY_FIELDS: dict[str, Any] = {**FIELDS, "at": SERVER_TIMESTAMP, "count": LibraryIncrement(-2)}

Addition: TypeAlias = Callable[[Any, Any, Any], None]
"""Adds a write to a batch of the library, with a document and the client at hand."""

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_instants = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | _texts
    | st.binary()
    | _instants
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4), max_leaves=20
)


def raw(message: Any) -> Any:
    """What the library's message wraps."""
    return message._pb  # noqa: SLF001


def written(value: Any) -> Any:
    slot = raw(Value())
    put_value(slot, value)
    return slot


def of_library(value: Any) -> Any:
    """The library's message for a value."""
    return raw(encode_value(value))


def _field_path(transform: Any) -> str:
    return transform.field_path


def sent_by_library(add: Addition) -> Any:
    """The write that the library's batch holds after `add` was called with it."""
    client = AsyncClient(project="demo-messages", credentials=AnonymousCredentials())
    batch = client.batch()
    add(batch, client.document("a/b"), client)
    (write,) = batch._write_pbs  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return raw(write)


WRITES: list[tuple[str, Write, Addition]] = [
    ("create", Create("a/b", FIELDS), lambda batch, it, _: batch.create(it, LIBRARY_FIELDS)),
    ("create of nothing", Create("a/b", {}), lambda batch, it, _: batch.create(it, {})),
    ("put", Put("a/b", FIELDS), lambda batch, it, _: batch.set(it, LIBRARY_FIELDS)),
    ("merge", Merge("a/b", FIELDS), lambda batch, it, _: batch.set(it, LIBRARY_FIELDS, merge=list(FIELDS))),
    (
        "merge of a sum alone",
        Merge("a/b", {"count": Increment(1)}),
        lambda batch, it, _: batch.set(it, {"count": LibraryIncrement(1)}, merge=["count"]),
    ),
    ("update", Update("a/b", FIELDS), lambda batch, it, _: batch.update(it, LIBRARY_FIELDS)),
    (
        "update of what was seen",
        Update("a/b", {"n": 1}, SEEN),
        lambda batch, it, client: batch.update(it, {"n": 1}, client.write_option(last_update_time=SEEN)),
    ),
    (
        "update of what was seen to the nanosecond",
        Update("a/b", {"n": 1}, EXACT),
        lambda batch, it, client: batch.update(it, {"n": 1}, client.write_option(last_update_time=EXACT)),
    ),
    ("delete", Delete("a/b"), lambda batch, it, _: batch.delete(it)),
    (
        "delete of what is there",
        Delete("a/b", must_exist=True),
        lambda batch, it, client: batch.delete(it, client.write_option(exists=True)),
    ),
    (
        "delete of what was seen",
        Delete("a/b", seen=SEEN),
        lambda batch, it, client: batch.delete(it, client.write_option(last_update_time=SEEN)),
    ),
]


@pytest.mark.parametrize(("write", "add"), [row[1:] for row in WRITES], ids=[row[0] for row in WRITES])
def test_a_write_goes_out_as_the_library_would_send_it(write: Write, add: Addition) -> None:
    (sent,) = commit_request(DATABASE, [write]).writes
    expected = sent_by_library(add)
    assert sent.HasField("update_mask") == expected.HasField("update_mask")
    for message in (sent, expected):  # the library sorts them; their order has no meaning
        message.update_mask.field_paths.sort()
        message.update_transforms.sort(key=_field_path)
    assert sent == expected


def test_the_sums_of_a_commit_are_told_by_field() -> None:
    request = commit_request(DATABASE, [write := Update("a/b", FIELDS), Delete("a/c")])
    results: dict[str, Any] = {"at": {"timestamp_value": Timestamp(seconds=1)}, "count": {"integer_value": 40}}
    asked = [transform.field_path for transform in request.writes[0].update_transforms]
    answer = raw(CommitResponse(write_results=[{"transform_results": [results[field] for field in asked]}, {}]))
    assert committed([write, Delete("a/c")], answer).sums == ({"count": 40}, {})


def test_the_time_of_a_commit_is_that_of_what_it_changed() -> None:
    times: list[dict[str, Any]] = [{"seconds": 5, "nanos": 7}, {"seconds": 9, "nanos": 3}, {}]
    answer = raw(CommitResponse(write_results=[{"update_time": time} if time else {} for time in times]))
    changed = committed([Delete("a/b")] * len(times), answer).update_time
    assert changed is not None
    assert written(changed).timestamp_value == Timestamp(seconds=9, nanos=3)
    assert committed([Delete("a/b")], raw(CommitResponse(write_results=[{}]))).update_time is None


@given(_values)
def test_a_value_goes_out_as_the_library_would_send_it_and_comes_back(value: Any) -> None:
    assert written(value) == of_library(value)
    assert value_of(written(value)) == value


def test_a_vector_goes_out_as_the_library_would_send_it_and_comes_back() -> None:
    assert written(Vector((0.5, -1.0))) == of_library(LibraryVector([0.5, -1.0]))
    assert value_of(written(Vector((0.5, -1.0)))) == Vector((0.5, -1.0))


def test_a_tuple_comes_back_as_a_list() -> None:
    assert value_of(written((1, ()))) == [1, []]


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        written(object())


def test_what_nobody_here_stores_is_refused() -> None:
    with pytest.raises(TypeError, match="geo_point_value"):
        value_of(raw(Value(geo_point_value={"latitude": 1})))


@pytest.mark.parametrize(
    "instant",
    [SEEN, datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), SEEN.astimezone(timezone(timedelta(hours=5)))],
    ids=["after 1970", "before 1970", "elsewhere"],
)
def test_an_instant_comes_back(instant: datetime) -> None:
    put_instant(stamp := Timestamp(), instant)
    assert instant_of(stamp) == instant
    assert 0 <= stamp.nanos < 1_000_000_000


def test_the_nanoseconds_of_an_update_time_are_kept() -> None:
    put_instant(stamp := Timestamp(), EXACT)
    put_instant(again := Timestamp(), instant_of(stamp))
    assert again == stamp == EXACT.timestamp_pb()


@given(_instants)
def test_an_instant_is_read_as_the_library_reads_it(instant: datetime) -> None:
    assert value_of(written(instant)) == decode_value(of_library(instant), None)
