"""Documents out of Firestore's answers."""

from __future__ import annotations

from typing import Any

from shared.adapters.firestore.values import fields_of, instant_of
from shared.ports.documents import Snapshot


def snapshot_of_read(answer: Any, prefix: str) -> Snapshot:
    """A document that was asked for by its name, or that there is none.

    Args:
        answer: one message of the answer.
        prefix: what stands before the path in a document's resource name.
    """
    if answer.WhichOneof("result") == "found":
        return snapshot_of_found(answer.found, answer.read_time, prefix)
    return Snapshot(answer.missing.removeprefix(prefix), None, None, instant_of(answer.read_time))


def snapshot_of_found(document: Any, read_time: Any, prefix: str) -> Snapshot:
    """A document as it was at that time."""
    fields, path = fields_of(document.fields), document.name.removeprefix(prefix)
    return Snapshot(path, fields, instant_of(document.update_time), instant_of(read_time))
