"""Read what an earlier attempt at a node had shown of a step, and could not record."""

from __future__ import annotations

from shared.domain.ids import Instance, RunId
from shared.domain.segments import segments_path, shown_text, step_id
from shared.ports.documents import Documents, Query


async def read_live_text(documents: Documents, run_id: RunId, instance: Instance, step: int) -> str:
    """The text of the last try at a step, as it stands in its segments; empty where there are none."""
    query = Query(segments_path(run_id, instance), after=(step_id(step),))
    return shown_text([found.fields for found in await documents.query(query) if found.fields is not None], step)
