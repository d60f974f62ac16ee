"""Tell the holders of a run's nodes that it is to stop or to pause: their next commit's result carries the mark."""

from __future__ import annotations

import asyncio
from typing import Literal

from shared.domain.errors import Aborted
from shared.domain.ids import RunId
from shared.domain.writes import Increment, Update
from shared.ports.documents import CommitRefused, Filter, OutcomeUnknown, Query
from shared.usecases.nodes.engine import Core

TRIES = 10


async def mark_leases(core: Core, run_id: RunId, mark: Literal["cancel", "pause"]) -> None:
    """Tell the present holders; one that claims later reads the run after its claim.

    Raises:
        Aborted: one of them could not be told.
        Unavailable: the store does not answer.
    """
    leases = await core.documents.query(Query("leases", (Filter("run_id", "==", run_id),)))
    await asyncio.gather(*(_mark(core, lease.path, mark) for lease in leases))


async def _mark(core: Core, lease: str, mark: str) -> None:
    """Tell one holder, whose beats may get in the way; twice does no harm."""
    for _ in range(TRIES):
        try:
            await core.documents.commit([Update(lease, {mark: Increment(1)})])
        except CommitRefused:
            return  # it has finished
        except OutcomeUnknown:
            continue
        return
    raise Aborted("the run changes too fast; try again", retry_after_seconds=1)
