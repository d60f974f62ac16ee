"""Delete a collection of knowledge."""

from __future__ import annotations

from shared.domain.ids import Uid
from shared.domain.knowledge import Collection, CollectionId, collection_path
from shared.domain.records import parse
from shared.domain.writes import Update
from shared.ports.documents import Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.knowledge.get_collection import get_own_collection
from shared.usecases.knowledge.hand_over import hand_over, mark
from shared.usecases.knowledge.library import Library


async def delete_collection(library: Library, uid: Uid, collection_id: CollectionId) -> None:
    """Take a collection out of sight and out of every search at once; it is removed in the background.

    Raises:
        NotFound: there is no such collection for this person.
        PermissionDenied: the person may read the collection but not delete it.
        Unavailable: the store or the queue does not answer.
    """
    await get_own_collection(library.documents, uid, collection_id)
    now = library.clock.now()

    async def delete(snapshot: Snapshot) -> Change[None]:
        if snapshot.fields is None or parse(Collection, snapshot.fields).deleted_at is not None:
            return Change(None)
        marked = Update(snapshot.path, {"deleted_at": now, "updated_at": now}, seen=snapshot.update_time)
        return Change(None, [marked, mark(library.clock, collection_id, None)])

    await change_record(library.documents, library.clock, collection_path(collection_id), delete)
    await hand_over(library, collection_id, None, f"delete {now.isoformat()}")
