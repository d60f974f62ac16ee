"""Read what happened in a session."""

from __future__ import annotations

from shared.domain.events import Event, event_path
from shared.domain.ids import SessionId, Uid
from shared.domain.pages import Page, read_token, write_token
from shared.domain.records import parse
from shared.domain.sessions import Slot, session_path, slot_path
from shared.ports.documents import Documents
from shared.usecases.sessions.get_session import read_session


async def read_history(  # noqa: PLR0913 - the store, who, what, and which part of it
    documents: Documents,
    uid: Uid,
    session_id: SessionId,
    *,
    limit: int,
    page_token: str | None = None,
    newest_first: bool = False,
) -> Page[Event]:
    """A page of the session's events, in their order or the newest first.

    Events are numbered without gaps, so they are read by number, and need no index.

    Raises:
        NotFound: there is no such session for this person.
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    question = f"history {session_id} {newest_first}"
    seen = read_token(question, page_token, int)[0] if page_token else None
    session, slot = await documents.get_many([session_path(session_id), slot_path(session_id)])
    read_session(session, uid)
    last = parse(Slot, slot.fields or {}).next_seq - 1
    numbers = range(last if seen is None else seen - 1, 0, -1) if newest_first else range((seen or 0) + 1, last + 1)
    wanted = numbers[:limit]
    found = await documents.get_many([event_path(session_id, seq) for seq in wanted])
    items = tuple(parse(Event, event.fields) for event in found if event.fields is not None)
    return Page(items, write_token(question, (wanted[-1],)) if len(numbers) > limit else None)
