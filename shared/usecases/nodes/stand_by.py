"""Stand by: give a claimed node up because its run is paused, so that it is claimed again once the run goes on."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.ids import RunId
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.states import NodeState, RunState
from shared.domain.writes import Update, Write
from shared.ports.documents import Snapshot
from shared.ports.task_queue import NodeTask
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Core


async def stand_by(core: Core, attempt: Attempt, waits: int) -> None:
    """Undo the claim of a node that waited `waits` times before.

    The node stays, because a claim that was given up may still be applied, and would create it anew with nobody to
    hold it. Who resumes a run clears its mark first and looks for nodes that nobody holds then, so that one of the two
    sees the other.

    Raises:
        Superseded: another attempt has the node.
        Unavailable: the store or the queue does not answer.
    """
    ready = {"state": NodeState.READY, "waits": waits + 1}

    async def make() -> Sequence[Write]:
        snapshot = await core.documents.get(run_path(attempt.run_id))
        return [Update(attempt.path, ready), *_still_paused(snapshot)]

    async def applied(found: Snapshot) -> bool:
        return found.fields is not None and found.fields["state"] == NodeState.READY

    await attempt.commit(make, applied, last=True)
    if not await _is_paused(core, attempt.run_id):
        await core.queue.enqueue([NodeTask(attempt.run_id, attempt.instance, f"paused {attempt.token}")])


def _still_paused(snapshot: Snapshot) -> list[Write]:
    """A first node's claim sets its run running without a look at it."""
    run = parse(Run, snapshot.fields or {})
    if run.paused_at is None or run.state is not RunState.RUNNING:
        return []
    return [Update(snapshot.path, {"state": RunState.PAUSED}, seen=snapshot.update_time)]


async def _is_paused(core: Core, run_id: RunId) -> bool:
    return parse(Run, (await core.documents.get(run_path(run_id))).fields or {}).paused_at is not None
