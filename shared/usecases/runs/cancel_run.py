"""Cancel a run: it makes no further model call, keeps what it produced, and reaches `cancelled`."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.facts import record_run_end
from shared.domain.ids import RunId, Uid
from shared.domain.quotas import count_off
from shared.domain.records import parse, render
from shared.domain.runs import SWEEP_AFTER, Failure, Run, run_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import RunState, is_terminal
from shared.domain.writes import Update, Write
from shared.ports.documents import Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.facts.tell_run_end import tell_run_end
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.mark_leases import mark_leases
from shared.usecases.nodes.release_waiting import release_waiting
from shared.usecases.runs.get_run import get_own_run
from shared.usecases.runs.pause_run import wake_held


async def cancel_run(core: Core, caller: Uid, run_id: RunId) -> Run:
    """Request that the run stops; doing it twice, or after its end, changes nothing.

    Raises:
        NotFound: there is no such run for the caller.
        PermissionDenied: the caller may read the run, but it is not theirs.
        Aborted: the run changes too fast.
        Unavailable: the store does not answer; the run may be being cancelled.
    """
    await get_own_run(core.documents, caller, run_id)

    async def stop(snapshot: Snapshot) -> Change[tuple[Run, bool]]:
        """The run, and whether it has not even started."""
        run = parse(Run, snapshot.fields or {})
        if is_terminal(run.state):
            return Change((run, False))
        queued = await _leave_queue(core, run)
        if queued:
            return Change((run, True), queued)
        now = core.clock.now()
        # The sweeper leaves a run alone that waits for people; now it must complete what this process may not.
        stopped = {"cancel_requested": True, **run.resumed(now), "next_sweep_at": now + SWEEP_AFTER}
        return Change((run, False), [Update(run.path, stopped, seen=snapshot.update_time)])

    run, was_queued = await change_record(core.documents, core.clock, run_path(run_id), stop)
    if is_terminal(run.state):
        return run
    if was_queued:
        await tell_run_end(core, run)
    else:
        await mark_leases(core, run_id, "cancel")
        await release_waiting(core, run_id)
        await wake_held(core, run_id)
    return await _read(core, run_id) or run


async def _read(core: Core, run_id: RunId) -> Run | None:
    snapshot = await core.documents.get(run_path(run_id))
    return None if snapshot.fields is None else parse(Run, snapshot.fields)


async def _leave_queue(core: Core, run: Run) -> Sequence[Write]:
    """What takes a run that has not started out of its session's queue, and ends it; nothing if it is not there."""
    snapshot = await core.documents.get(slot_path(run.session_id))
    slot = parse(Slot, snapshot.fields or {})
    if run.id not in slot.queue:
        return []
    now = core.clock.now()
    error = Failure("cancelled", "the run was cancelled before it started")
    ended = {
        "state": RunState.CANCELLED,
        "cancel_requested": True,
        "paused_at": None,
        "error": render(error),
        "completed_at": now,
        "is_counted": False,
    }
    queue = [other for other in slot.queue if other != run.id]
    return [
        Update(snapshot.path, {"queue": queue}, seen=snapshot.update_time),
        Update(run.path, ended),
        record_run_end(run, RunState.CANCELLED, error, now),
        *count_off(run),
    ]
