"""List the files of a session's workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.domain.artifact_names import artifact_id
from shared.domain.artifacts import ArtifactHead, artifacts_path
from shared.domain.ids import SessionId
from shared.domain.records import parse
from shared.ports.documents import Documents, Filter, Order, Query

_LAST_CHARACTER = "\U0010ffff"
MAX_PAGE = 300


@dataclass(frozen=True, slots=True)
class ArtifactPage:
    """Some artifacts by name; `after` continues the list, and is None at its end."""

    items: tuple[ArtifactHead, ...]
    after: str | None


async def list_artifacts(
    documents: Documents,
    session_id: SessionId,
    *,
    limit: int,
    after: str | None = None,
    prefix: str = "",
) -> ArtifactPage:
    """Read the next `limit` artifacts whose name starts with `prefix`, in the order of names.

    The last page may turn out to be empty, because no artifact is read only to see whether there is one.

    Raises:
        Unavailable: the store does not answer.
    """
    where = (
        Filter("name", ">=", prefix),
        Filter("name", "<=", prefix + _LAST_CHARACTER),
    )
    query = Query(
        collection=artifacts_path(session_id),
        where=where if prefix else (),
        order_by=(Order("name"),),
        limit=limit,
        after=None if after is None else (after, artifact_id(after)),
    )
    items = tuple(parse(ArtifactHead, found.fields or {}) for found in await documents.query(query))
    return ArtifactPage(items, items[-1].name if len(items) == limit else None)


async def every_artifact(
    documents: Documents, session_id: SessionId, *, prefix: str = "", first: int = MAX_PAGE
) -> AsyncIterator[ArtifactHead]:
    """All artifacts whose name starts with `prefix`, read in pages as they are asked for, the first of `first`."""
    after: str | None = None
    limit = min(first, MAX_PAGE)
    while True:
        page = await list_artifacts(documents, session_id, limit=limit, after=after, prefix=prefix)
        for head in page.items:
            yield head
        if page.after is None:
            return
        after, limit = page.after, MAX_PAGE
