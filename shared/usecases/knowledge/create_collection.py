"""Create a collection of knowledge."""

from __future__ import annotations

import re

from shared.domain.errors import Aborted, AlreadyExists, Fault, InvalidArgument, Unavailable
from shared.domain.ids import Uid
from shared.domain.knowledge import (
    MAX_DESCRIPTION_CHARACTERS,
    Collection,
    collection_id_of,
    collection_path,
)
from shared.domain.records import parse, render
from shared.domain.writes import Create
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.knowledge.library import Library

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


async def create_collection(library: Library, uid: Uid, name: str, description: str = "") -> Collection:
    """Store an empty collection under a name of its owner's choosing.

    Raises:
        InvalidArgument: name or description cannot be stored.
        AlreadyExists: this person has a collection of that name.
        Aborted: one of that name was deleted and is still being removed.
        Unavailable: the store does not answer.
    """
    _check(name, description)
    now = library.clock.now()
    collection = Collection(
        id=collection_id_of(uid, name),
        owner_uid=uid,
        name=name,
        embedder=library.embedder,
        created_at=now,
        updated_at=now,
        description=description,
    )
    path = collection_path(collection.id)
    try:
        await library.documents.commit([Create(path, render(collection))])
    except (CommitRefused, OutcomeUnknown) as error:
        fields = (await library.documents.get(path)).fields
        if fields is None:
            raise Unavailable("The collection was not stored; try again.") from error
        stored = parse(Collection, fields)
        if stored == collection and isinstance(error, OutcomeUnknown):
            return stored
        if stored.deleted_at is not None:
            raise Aborted(f"A collection {name!r} is still being removed; try again.", retry_after_seconds=5) from error
        raise AlreadyExists(f"You have a collection {name!r} already.") from error
    return collection


def _check(name: str, description: str) -> None:
    faults: list[Fault] = []
    if not _NAME.fullmatch(name):
        reason = "must be lower-case letters, digits, '_' or '-', start with a letter, 64 at most"
        faults.append(Fault("name", reason))
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        faults.append(Fault("description", f"must have {MAX_DESCRIPTION_CHARACTERS} characters at most"))
    if faults:
        raise InvalidArgument("The collection cannot be stored.", tuple(faults))
