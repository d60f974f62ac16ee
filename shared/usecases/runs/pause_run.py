"""Pause a run, and let it go on: meanwhile no node starts, and no model is asked."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.errors import RunEnded
from shared.domain.ids import RunId, Uid
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.states import RunState, is_terminal
from shared.domain.writes import Fields, Update
from shared.ports.documents import Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.find_lost import find_lost
from shared.usecases.nodes.mark_leases import mark_leases
from shared.usecases.nodes.wake_successors import enqueue_ready
from shared.usecases.runs.get_run import get_own_run


async def pause_run(core: Core, caller: Uid, run_id: RunId) -> Run:
    """Let no node of the run start, and those that ask models give way after the response in flight.

    Doing it twice changes nothing. A run that waits for its session may be paused, and then holds the session once it
    is its turn.

    Raises:
        NotFound: there is no such run for the caller.
        PermissionDenied: the caller may read the run, but it is not theirs.
        RunEnded: the run has ended, or is being cancelled.
        Aborted: the run changes too fast.
        Unavailable: the store does not answer; the run may be paused.
    """
    await get_own_run(core.documents, caller, run_id)

    def pause(run: Run) -> Fields | None:
        if run.cancel_requested or is_terminal(run.state):
            raise RunEnded(f"the run is {'being cancelled' if run.cancel_requested else run.state}")
        return run.paused(core.clock.now()) if run.paused_at is None else None

    await _change(core, run_id, pause)
    await mark_leases(core, run_id, "pause")
    return await _read(core, run_id)


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

    def resume(run: Run) -> Fields | None:
        if is_terminal(run.state):
            raise RunEnded(f"the run is {run.state}")
        return run.resumed(core.clock.now()) if run.paused_at is not None else None

    await _change(core, run_id, resume)
    await wake_held(core, run_id)
    return await _read(core, run_id)


async def wake_held(core: Core, run_id: RunId) -> None:
    """Enqueue what nobody holds of a run that was paused and goes on; nothing of one that waits for its session."""
    run = await _read(core, run_id)
    if run.pauses and (run.state is not RunState.QUEUED or run.next_sweep_at is not None):
        lost = await find_lost(core, run_id, core.clock.now())
        await enqueue_ready(core, run_id, lost.instances, f"paused {run.pauses}")


async def _read(core: Core, run_id: RunId) -> Run:
    return parse(Run, (await core.documents.get(run_path(run_id))).fields or {})


async def _change(core: Core, run_id: RunId, change: Callable[[Run], Fields | None]) -> None:
    """Set the fields that `change` says of the run as it is; None where it is so already."""

    async def decide(snapshot: Snapshot) -> Change[None]:
        fields = change(parse(Run, snapshot.fields or {}))
        return Change(None, [] if fields is None else [Update(snapshot.path, fields, seen=snapshot.update_time)])

    await change_record(core.documents, core.clock, run_path(run_id), decide)
