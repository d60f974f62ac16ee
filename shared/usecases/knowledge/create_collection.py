"""Create a collection of knowledge."""

from __future__ import annotations

from shared.domain.errors import Aborted, AlreadyExists, InvalidArgument, Unavailable
from shared.domain.ids import Uid
from shared.domain.knowledge import (
    Collection,
    collection_faults,
    collection_id_of,
    collection_path,
)
from shared.domain.records import parse, render
from shared.domain.writes import Create
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.knowledge.library import Library


async def create_collection(library: Library, uid: Uid, name: str, description: str = "") -> Collection:
    """Store an empty collection under a name of its owner's choosing.

    Raises:
        InvalidArgument: name or description cannot be stored.
        AlreadyExists: this person has a collection of that name.
        Aborted: one of that name was deleted and is still being removed.
        Unavailable: the store does not answer.
    """
    if faults := collection_faults(name, description):
        raise InvalidArgument("The collection cannot be stored.", faults)
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
