"""Stop the nodes of an ended run: those that are executed and those that wait."""

from __future__ import annotations

from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.mark_leases import mark_leases
from shared.usecases.nodes.node_context import Target
from shared.usecases.nodes.release_waiting import withdraw_unheld


async def stop_rest(core: Core, end: Target) -> None:
    """Stop what an ended run left behind, where it need not have waited for all of its nodes.

    Only after the end was committed: a node that begins to wait looks at the run then, so that one of the two sees the
    other. Doing it again changes nothing.
    """
    if end.graph.may_end_early:
        await mark_leases(core, end.run.id, "cancel")
        await withdraw_unheld(core, end)
