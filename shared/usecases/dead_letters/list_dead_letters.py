"""Read dead letters."""

from __future__ import annotations

from shared.domain.dead_letters import DEAD_LETTERS, DeadLetter, DeadLetterId, dead_letter_path
from shared.domain.errors import NotFound, PermissionDenied
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query
from shared.ports.identity import Identity
from shared.usecases.read_page import read_page


async def list_dead_letters(
    documents: Documents, caller: Identity, limit: int, page_token: str | None, *, of_everyone: bool
) -> Page[DeadLetter]:
    """A page of what waits for the caller, or for anybody, the latest first.

    Raises:
        PermissionDenied: only administrators see everybody's.
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    if of_everyone and caller.role != "admin":
        raise PermissionDenied("Only administrators may see everybody's dead letters.")
    where = () if of_everyone else (Filter("owner_uid", "==", caller.uid),)
    query = Query(DEAD_LETTERS, where, (Order("died_at", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(DeadLetter, fields))


async def open_dead_letter(documents: Documents, caller: Identity, letter_id: DeadLetterId) -> DeadLetter:
    """A dead letter of the caller's, or for an administrator anybody's.

    Raises:
        NotFound: there is no such dead letter, or it is somebody else's.
        Unavailable: the store does not answer.
    """
    fields = (await documents.get(dead_letter_path(letter_id))).fields
    letter = None if fields is None else parse(DeadLetter, fields)
    if letter is None or (letter.owner_uid != caller.uid and caller.role != "admin"):
        raise NotFound("There is no such dead letter.")
    return letter
