"""Read what earlier attempts at a node recorded."""

from __future__ import annotations

from shared.domain.journal import Journal, journal_path, read_journal
from shared.ports.documents import Query
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext


async def read_node_journal(engine: Engine, context: NodeContext) -> Journal:
    """The journal; a first attempt needs no read."""
    if context.attempt.number == 1:
        return Journal()
    entries = await engine.core.documents.query(Query(journal_path(context.run_id, context.instance)))
    return read_journal((entry.id, entry.fields) for entry in entries if entry.fields is not None)
