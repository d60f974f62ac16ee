"""Pause a run, and let it go on: meanwhile no node starts, and no model is asked."""

from __future__ import annotations

from shared.domain.errors import Aborted, RunEnded
from shared.domain.ids import RunId, Uid
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.states import RunState, is_terminal
from shared.domain.writes import Fields, Update
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.mark_leases import mark_leases
from shared.usecases.nodes.wake_successors import enqueue_ready
from shared.usecases.runs.get_run import get_own_run
from shared.usecases.runs.sweep_runs import find_lost

TRIES = 10


async def pause_run(core: Core, caller: Uid, run_id: RunId) -> Run:
    """Let no node of the run start, and those that ask models give way after the response in flight.

    Doing it twice changes nothing. A run that waits for its session may be paused, and then holds the session once it
    is its turn.

    Raises:
        NotFound: there is no such run for the caller.
        PermissionDenied: the caller may read the run, but it is not theirs.
        RunEnded: the run has ended, or is being cancelled.
        Aborted: the run changes too fast; it may be paused.
    """
    await get_own_run(core.documents, caller, run_id)
    for _ in range(TRIES):
        snapshot, run = await _read(core, run_id)
        if run.cancel_requested or is_terminal(run.state):
            raise RunEnded(f"the run is {'being cancelled' if run.cancel_requested else run.state}")
        if run.paused_at is None and not await _changed(core, snapshot, run.paused(core.clock.now())):
            continue
        await mark_leases(core, run_id, "pause")
        return (await _read(core, run_id))[1]
    raise Aborted("the run changes too fast; try again", retry_after_seconds=1)


async def resume_run(core: Core, caller: Uid, run_id: RunId) -> Run:
    """Let a paused run go on from where it stood; doing it twice changes nothing.

    Raises:
        NotFound: there is no such run for the caller.
        PermissionDenied: the caller may read the run, but it is not theirs.
        RunEnded: the run has ended.
        Aborted: the run changes too fast.
        Unavailable: the run goes on, but perhaps not before the sweeper looks; resuming it again wakes it.
    """
    await get_own_run(core.documents, caller, run_id)
    for _ in range(TRIES):
        snapshot, run = await _read(core, run_id)
        if is_terminal(run.state):
            raise RunEnded(f"the run is {run.state}")
        if run.paused_at is not None and not await _changed(core, snapshot, run.resumed(core.clock.now())):
            continue
        await wake_held(core, run_id)
        return (await _read(core, run_id))[1]
    raise Aborted("the run changes too fast; try again", retry_after_seconds=1)


async def wake_held(core: Core, run_id: RunId) -> None:
    """Enqueue what nobody holds of a run that was paused and goes on; nothing of one that waits for its session."""
    run = (await _read(core, run_id))[1]
    if run.pauses and (run.state is not RunState.QUEUED or run.next_sweep_at is not None):
        lost = await find_lost(core, run_id, core.clock.now())
        await enqueue_ready(core, run_id, lost.instances, f"paused {run.pauses}")


async def _read(core: Core, run_id: RunId) -> tuple[Snapshot, Run]:
    snapshot = await core.documents.get(run_path(run_id))
    return snapshot, parse(Run, snapshot.fields or {})


async def _changed(core: Core, seen: Snapshot, fields: Fields) -> bool:
    """Whether the run was changed for certain; it is looked at again otherwise."""
    try:
        await core.documents.commit([Update(seen.path, fields, seen=seen.update_time)])
    except (CommitRefused, OutcomeUnknown):
        return False
    return True
