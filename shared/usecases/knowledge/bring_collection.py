"""Make a collection of somebody's own of what a file holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.agent_bundles import BundledCollection
from shared.domain.artifacts import digest_of
from shared.domain.errors import AlreadyExists, NotFound
from shared.domain.ids import Uid
from shared.domain.knowledge import Collection, collection_id_of
from shared.domain.name_conflicts import OnConflict, names_like
from shared.domain.pages import MAX_LIMIT
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.get_collection import get_collection
from shared.usecases.knowledge.get_document import list_documents
from shared.usecases.knowledge.library import Library
from shared.usecases.knowledge.put_document import NewDocument, put_document

_AT_ONCE = 5
"""Documents that are stored at the same time; each is held in memory, and changes its collection's record."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the documents will go.

    Args:
        name: of the collection.
        existing: that collection, where there is one already.
    """

    name: str
    existing: Collection | None = None


async def find_destination(
    library: Library, uid: Uid, name: str, bundled: BundledCollection, on_conflict: OnConflict
) -> Destination:
    """Where documents will go: to a collection that has these and no others, or as `on_conflict` says. Writes nothing.

    One that has only some of them is what an import leaves that broke off; the next goes on with it.

    Raises:
        AlreadyExists: the person has a collection of the name with other documents, and `on_conflict` is `refuse`.
        Unavailable: the store does not answer.
    """
    wanted = {one.name: digest_of(one.content) for one in bundled.documents}
    for candidate in names_like(name, "imported"):
        try:
            existing = await get_collection(library.documents, uid, collection_id_of(uid, candidate))
        except NotFound:
            return Destination(candidate)
        if on_conflict == "version" or await _holds_only(library, existing, wanted):
            return Destination(candidate, existing)
        if on_conflict == "refuse":
            raise AlreadyExists(f"You have a collection {name!r} already, with other documents.")
    raise AlreadyExists(f"You have collections of many names like {name!r}.")


async def bring_collection(
    library: Library, uid: Uid, destination: Destination, bundled: BundledCollection
) -> Collection:
    """Store the documents, and have each ingested as if it was brought by itself; what is there already stays.

    Raises:
        shared.domain.errors.DomainError: as `create_collection` and `put_document`.
    """
    collection = destination.existing or await create_collection(library, uid, destination.name, bundled.description)
    new = [NewDocument(one.name, one.content, one.mime_type) for one in bundled.documents]
    for start in range(0, len(new), _AT_ONCE):
        group = [put_document(library, uid, collection.id, one) for one in new[start : start + _AT_ONCE]]
        # Nothing is stored any more once this has failed.
        for outcome in await asyncio.gather(*group, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
    return collection


async def _holds_only(library: Library, collection: Collection, wanted: Mapping[str, str]) -> bool:
    """Whether each of its documents is one of those wanted, by name and digest; reads up to the first that is not."""
    token: str | None = None
    while True:
        page = await list_documents(library.documents, collection.owner_uid, collection.id, MAX_LIMIT, token)
        if any(wanted.get(one.name) != one.digest for one in page.items):
            return False
        if (token := page.next_page_token) is None:
            return True
