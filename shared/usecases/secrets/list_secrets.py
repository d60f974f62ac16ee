"""List a person's secrets by name; values are never shown."""

from __future__ import annotations

from shared.domain.ids import Uid
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.domain.secrets import StoredSecret, secrets_path
from shared.ports.documents import Documents, Filter, Query
from shared.usecases.read_page import read_page


async def list_secrets(documents: Documents, owner: Uid, limit: int, page_token: str | None) -> Page[StoredSecret]:
    """A page of the secrets that have a value, in the order of their names.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    query = Query(secrets_path(owner), (Filter("is_stored", "==", value=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(StoredSecret, fields))
