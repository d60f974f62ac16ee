"""List sessions."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.ids import AgentId, Uid
from shared.domain.pages import DEFAULT_LIMIT, Page
from shared.domain.records import parse
from shared.domain.sessions import Session
from shared.ports.documents import Documents, Filter, Order, Query
from shared.usecases.read_page import read_page


@dataclass(frozen=True, slots=True)
class SessionSearch:
    """Which sessions to list; None does not narrow.

    Args:
        shared: list those that others let this person read, instead of their own.
    """

    agent_id: AgentId | None = None
    limit: int = DEFAULT_LIMIT
    page_token: str | None = None
    shared: bool = False


async def list_sessions(documents: Documents, uid: Uid, search: SessionSearch) -> Page[Session]:
    """A page of this person's sessions, or of those shared with them; those with the latest activity first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    whose = Filter("readers", "array_contains", uid) if search.shared else Filter("owner_uid", "==", uid)
    where = [whose, Filter("deleted_at", "==", value=None)]
    if search.agent_id is not None:
        where.append(Filter("agent_id", "==", search.agent_id))
    query = Query("sessions", tuple(where), (Order("updated_at", descending=True),))
    return await read_page(documents, query, search.limit, search.page_token, lambda fields: parse(Session, fields))
