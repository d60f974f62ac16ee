"""Stop the nodes of a run: those that are executed and those that wait."""

from __future__ import annotations

import asyncio

from shared.domain.errors import Aborted
from shared.domain.ids import RunId
from shared.domain.writes import Increment, Update
from shared.ports.documents import CommitRefused, Filter, OutcomeUnknown, Query
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.node_context import Target
from shared.usecases.nodes.release_waiting import withdraw_waiting

TRIES = 10


async def mark_leases(core: Core, run_id: RunId) -> None:
    """Tell whoever executes a node now to stop; one that claims later reads the run after its claim.

    Raises:
        Aborted: one could not be told.
    """
    leases = await core.documents.query(Query("leases", (Filter("run_id", "==", run_id),)))
    await asyncio.gather(*(_mark(core, lease.path) for lease in leases))


async def stop_rest(core: Core, end: Target) -> None:
    """Stop what an ended run left behind, where it need not have waited for all of its nodes.

    Only after the end was committed: a node that begins to wait looks at the run then, so that one of the two sees the
    other. Doing it again changes nothing.
    """
    if end.graph.may_end_early:
        await mark_leases(core, end.run.id)
        await withdraw_waiting(core, end.run.id)


async def _mark(core: Core, lease: str) -> None:
    """Tell one holder, whose beats may get in the way; twice does no harm."""
    for _ in range(TRIES):
        try:
            await core.documents.commit([Update(lease, {"cancel": Increment(1)})])
        except CommitRefused:
            return  # it has finished
        except OutcomeUnknown:
            continue
        return
    raise Aborted("the nodes change too fast; try again", retry_after_seconds=1)
