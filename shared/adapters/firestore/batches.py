"""Commits as Firestore's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.cloud.firestore_v1.types.firestore import CommitRequest
from google.cloud.firestore_v1.types.write import DocumentTransform

from shared.adapters.firestore.values import instant_of, put_fields, put_instant, put_value
from shared.domain.writes import Create, Delete, Fields, Increment, Merge, Put, ServerTime, Update, Write
from shared.ports.documents import Committed

_Request: Any = CommitRequest.pb()
_TRANSFORMS = (ServerTime, Increment)
_REQUEST_TIME = int(DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME)


def commit_request(database: str, writes: Sequence[Write]) -> Any:
    """The request, with one write of the wire for each write.

    Args:
        database: the database's resource name.
        writes: what to apply as a whole.
    """
    request = _Request(database=database)
    for write in writes:
        _put_write(request.writes.add(), f"{database}/documents/{write.path}", write)
    return request


def committed(writes: Sequence[Write], answer: Any) -> Committed:
    """The sums that a commit returned, by field, and when it changed what it changed."""
    results = answer.write_results
    sums = tuple(_sums(write, result) for write, result in zip(writes, results, strict=True))
    # What a write did not change keeps an earlier time, and what is deleted has none.
    latest = max((result.update_time for result in results), key=lambda time: (time.seconds, time.nanos))
    return Committed(sums, instant_of(latest) if latest.seconds else None)


def _put_write(target: Any, name: str, write: Write) -> None:
    match write:
        case Create():
            target.current_document.exists = False
        case Put():
            pass
        case Merge():
            _put_mask(target, write.fields)
        case Update():
            _put_mask(target, write.fields)
            if write.seen is None:
                target.current_document.exists = True
            else:
                put_instant(target.current_document.update_time, write.seen)
        case Delete():
            _put_deletion(target, name, write)
            return
    target.update.name = name
    put_fields(target.update.fields, (item for item in write.fields.items() if not _is_transform(item[1])))
    for field in _transforms(write.fields):
        _put_transform(target.update_transforms.add(field_path=field), write.fields[field])


def _put_deletion(target: Any, name: str, write: Delete) -> None:
    target.delete = name
    if write.seen is not None:
        put_instant(target.current_document.update_time, write.seen)
    elif write.must_exist:
        target.current_document.exists = True


def _put_mask(target: Any, fields: Fields) -> None:
    """Name the fields that are replaced; a mask that names none keeps all of them."""
    target.update_mask.SetInParent()
    target.update_mask.field_paths.extend(name for name, value in fields.items() if not _is_transform(value))


def _put_transform(target: Any, value: ServerTime | Increment) -> None:
    match value:
        case ServerTime():
            target.set_to_server_value = _REQUEST_TIME
        case Increment():
            put_value(target.increment, value.by)


def _is_transform(value: Any) -> bool:
    return isinstance(value, _TRANSFORMS)


def _transforms(fields: Fields) -> list[str]:
    """In the order in which a commit's answer has their results."""
    return [name for name, value in fields.items() if _is_transform(value)]


def _sums(write: Write, result: Any) -> Mapping[str, int]:
    if isinstance(write, Delete):
        return {}
    answers = zip(_transforms(write.fields), result.transform_results, strict=True)
    return {name: answer.integer_value for name, answer in answers if isinstance(write.fields[name], Increment)}
