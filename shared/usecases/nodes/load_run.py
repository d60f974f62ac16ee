"""Load a run and its plan."""

from __future__ import annotations

from shared.domain.ids import RunId
from shared.domain.plan_graphs import read_plan
from shared.domain.records import parse
from shared.domain.runs import Run, plan_path, run_path
from shared.ports.documents import Documents, Snapshot
from shared.usecases.nodes.engine import Engine, LoadedRun

KEPT_PLANS = 64


async def load_run(documents: Documents, run_id: RunId) -> LoadedRun | None:
    """The run and its plan; None if there is no such run. One round trip for a plan of one chunk."""
    snapshot, *chunks = await documents.get_many([run_path(run_id), plan_path(run_id, 0)])
    if snapshot.fields is None:
        return None
    run = parse(Run, snapshot.fields)
    if run.plan_chunks > 1:
        chunks += await documents.get_many([plan_path(run_id, chunk) for chunk in range(1, run.plan_chunks)])
    text = "".join(_text(chunk) for chunk in chunks)
    return LoadedRun(run, read_plan(text))


async def load_run_once(engine: Engine, run_id: RunId) -> LoadedRun | None:
    """As `load_run`, from memory if this process has executed nodes of the run before; the state may be old."""
    loaded = engine.loaded.get(run_id)
    if loaded is None:
        loaded = await load_run(engine.core.documents, run_id)
        if loaded is not None:
            while len(engine.loaded) >= KEPT_PLANS:
                del engine.loaded[next(iter(engine.loaded))]
            engine.loaded[run_id] = loaded
    return loaded


def _text(chunk: Snapshot) -> str:
    return "" if chunk.fields is None else chunk.fields["text"]
