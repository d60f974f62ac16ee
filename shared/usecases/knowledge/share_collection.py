"""Let others read a collection of knowledge, and their agents search it."""

from __future__ import annotations

from shared.domain.ids import Uid
from shared.domain.knowledge import MAX_READERS, CollectionId, collection_path
from shared.domain.users import User
from shared.ports.documents import Documents
from shared.usecases.grants.share_reading import Shelved, add_reader_of, remove_reader_of
from shared.usecases.grants.sharing import Sharing
from shared.usecases.knowledge.get_collection import read_collection


async def add_collection_reader(
    sharing: Sharing, caller: Uid, collection_id: CollectionId, named: str
) -> tuple[User, bool]:
    """Let a person read the caller's collection; who it is, and whether they could not before.

    Raises:
        shared.domain.errors.DomainError: as `add_reader_of`.
    """
    return await add_reader_of(sharing, _shelved(collection_id), caller, named)


async def remove_collection_reader(documents: Documents, caller: Uid, collection_id: CollectionId, reader: Uid) -> None:
    """Let a person no longer read a collection, nor find anything of it from now on.

    Raises:
        shared.domain.errors.DomainError: as `remove_reader_of`.
    """
    await remove_reader_of(documents, _shelved(collection_id), caller, reader)


def _shelved(collection_id: CollectionId) -> Shelved:
    return Shelved("collection", collection_path(collection_id), read_collection, MAX_READERS)
