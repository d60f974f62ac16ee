"""Commits as batches of the client library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.cloud.firestore_v1.async_batch import AsyncWriteBatch
from google.cloud.firestore_v1.async_client import AsyncClient
from google.cloud.firestore_v1.types.write import WriteResult

from shared.adapters.firestore.values import encode_fields
from shared.domain.writes import Create, Delete, Increment, Merge, Put, ServerTime, Update, Write
from shared.ports.documents import Committed


def batch_of(client: AsyncClient, writes: Sequence[Write]) -> AsyncWriteBatch:
    """A batch that holds one write of the wire for each write."""
    batch = client.batch()
    for write in writes:
        _add(client, batch, write)
    return batch


def committed(writes: Sequence[Write], results: Sequence[WriteResult]) -> Committed:
    """The sums that a commit returned, by field."""
    pairs = zip(writes, results, strict=True)
    return Committed(tuple(_sums(write, result) for write, result in pairs))


def _add(client: AsyncClient, batch: AsyncWriteBatch, write: Write) -> None:
    reference: Any = client.document(write.path)
    match write:
        case Create():
            batch.create(reference, encode_fields(write.fields))
        case Put():
            batch.set(reference, encode_fields(write.fields))
        case Merge():
            # With the names given, a map replaces the map that is there; `merge=True` would mix them.
            batch.set(reference, encode_fields(write.fields), merge=list(write.fields))
        case Update():
            option = client.write_option(last_update_time=write.seen) if write.seen else None
            batch.update(reference, encode_fields(write.fields), option)
        case Delete():
            batch.delete(reference, _delete_option(client, write))


def _delete_option(client: AsyncClient, write: Delete) -> Any:
    if write.seen is not None:
        return client.write_option(last_update_time=write.seen)
    return client.write_option(exists=True) if write.must_exist else None


def _sums(write: Write, result: WriteResult) -> Mapping[str, int]:
    if isinstance(write, Delete):
        return {}
    # The library sends the transforms of one write sorted by field, and the results come in that order.
    names = sorted(name for name, value in write.fields.items() if isinstance(value, ServerTime | Increment))
    answers = zip(names, result.transform_results, strict=True)
    return {name: answer.integer_value for name, answer in answers if isinstance(write.fields[name], Increment)}
