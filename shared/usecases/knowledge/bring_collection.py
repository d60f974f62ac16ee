"""Make a collection of somebody's own of what a file holds."""

from __future__ import annotations

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
    """Where documents will go: to a collection that has just these already, or as `on_conflict` says. Writes nothing.

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
        if on_conflict == "version" or await _documents_of(library, existing) == wanted:
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
    for document in bundled.documents:
        new = NewDocument(document.name, document.content, document.mime_type)
        await put_document(library, uid, collection.id, new)
    return collection


async def _documents_of(library: Library, collection: Collection) -> dict[str, str]:
    """The digest of each document, by name."""
    found: dict[str, str] = {}
    token: str | None = None
    while True:
        page = await list_documents(library.documents, collection.owner_uid, collection.id, MAX_LIMIT, token)
        found |= {one.name: one.digest for one in page.items}
        if (token := page.next_page_token) is None:
            return found
