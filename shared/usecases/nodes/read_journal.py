"""Read what earlier attempts at a node recorded, and the runs that this one repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.domain.ids import RunId
from shared.domain.journal import Journal, journal_path, read_journal
from shared.ports.documents import Query
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.keep_value import read_files
from shared.usecases.nodes.node_context import NodeContext


async def read_node_journal(engine: Engine, context: NodeContext) -> Journal:
    """The journal; a first attempt that repeats nothing needs no read."""
    earlier = context.target.graph.earlier(context.target.node)
    own = () if context.attempt.number == 1 else (context.run_id,)
    if not own and not earlier:
        return Journal()
    found = await asyncio.gather(*(_entries(engine, context, run_id) for run_id in (*own, *earlier)))
    before: dict[str, Mapping[str, Any]] = {}
    for entries in reversed(found[len(own) :]):
        before |= entries
    return await _with_files(engine, read_journal(found[0] if own else {}, before))


async def _with_files(engine: Engine, journal: Journal) -> Journal:
    """The journal with the results that are kept in files."""
    files = {key: result.file for key, result in journal.results.items() if result.file is not None}
    if not files:
        return journal
    values = await read_files(engine.core.documents, list(files.values()))
    read = {key: replace(journal.results[key], content=values[file]) for key, file in files.items()}
    return replace(journal, results={**journal.results, **read})


async def _entries(engine: Engine, context: NodeContext, run_id: RunId) -> dict[str, Mapping[str, Any]]:
    entries = await engine.core.documents.query(Query(journal_path(run_id, context.instance)))
    return {entry.id: entry.fields for entry in entries if entry.fields is not None}
