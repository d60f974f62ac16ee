"""Read a collection of knowledge."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.ids import Uid
from shared.domain.knowledge import COLLECTIONS, Collection, CollectionId, collection_path
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query, Snapshot
from shared.usecases.read_owned import check_owner
from shared.usecases.read_page import read_page


async def get_collection(documents: Documents, uid: Uid, collection_id: CollectionId) -> Collection:
    """The collection, if this person may read it.

    Raises:
        NotFound: there is no such collection, it was deleted, or it is not shared with this person.
        Unavailable: the store does not answer.
    """
    return read_collection(await documents.get(collection_path(collection_id)), uid)


async def get_own_collection(documents: Documents, uid: Uid, collection_id: CollectionId) -> Collection:
    """The collection, if it is this person's own.

    Raises:
        NotFound: there is no such collection for this person.
        PermissionDenied: the person may read the collection but not change it.
    """
    collection = await get_collection(documents, uid, collection_id)
    check_owner(collection, uid, "collection")
    return collection


async def list_collections(
    documents: Documents, uid: Uid, limit: int, page_token: str | None, *, shared: bool = False
) -> Page[Collection]:
    """This person's collections, or those that others shared with them, the newest first.

    Raises:
        InvalidArgument: the token is not one of this list.
    """
    query = Query(
        COLLECTIONS,
        (
            Filter("readers", "array_contains", uid) if shared else Filter("owner_uid", "==", uid),
            Filter("deleted_at", "==", None),
        ),
        (Order("created_at", descending=True),),
    )
    return await read_page(documents, query, limit, page_token, lambda fields: parse(Collection, fields))


def read_collection(snapshot: Snapshot, uid: Uid) -> Collection:
    """The collection in a snapshot, if this person may read it.

    Raises:
        NotFound: there is none for this person.
    """
    collection = None if snapshot.fields is None else parse(Collection, snapshot.fields)
    if collection is None or not collection.is_seen_by(uid):
        raise NotFound("There is no such collection of knowledge.")
    return collection
