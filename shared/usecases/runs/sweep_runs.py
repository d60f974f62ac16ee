"""Sweep: find what a dead process left behind, and hand it to the queue again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from shared.domain.dead_letters import FRUITLESS_PAUSE, DeadLetterKind
from shared.domain.errors import DomainError
from shared.domain.ids import Instance, RunId, Uid, hashed_id
from shared.domain.runs import SWEEP_AFTER, run_path
from shared.domain.states import RunState, is_terminal
from shared.domain.writes import Update
from shared.ports.documents import Filter, Order, Query, Snapshot
from shared.ports.task_queue import NodeTask
from shared.usecases.dead_letters.count_fruitless import Undone, count_fruitless
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.find_lost import Lost, find_lost
from shared.usecases.nodes.wait_for_people import let_run_wait
from shared.usecases.nodes.wake_successors import enqueue_ready
from shared.usecases.sweep_each import Report, surface, sweep_each
from shared.usecases.try_commit import try_commit

BATCH = 100
SWEEP_PAUSED_AFTER = timedelta(minutes=10)
"""How long a run is left alone that is paused: who lets it go on wakes it."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: how many silent leases and how many runs it looked at, and how many tasks it enqueued."""

    leases: int
    runs: int
    tasks: int


async def sweep_runs(core: Core, lease_seconds: float, report: Report = surface) -> Swept:
    """Enqueue the nodes whose attempts fell silent, and those of old runs that nobody was woken for.

    Tasks get names of their own: a name that was used once stays reserved. A run that cannot be looked at is put off
    like the others, so that it holds up none of them.

    Raises:
        Unavailable: the store or the queue does not answer; the next sweep goes on.
    """
    now = core.clock.now()
    cause = f"sweep {now.isoformat()}"
    silent = await _silent_nodes(core, now - timedelta(seconds=lease_seconds))
    if silent:
        await core.queue.enqueue([NodeTask(run_id, instance, cause) for run_id, instance in silent])
    due = Query("runs", (Filter("next_sweep_at", "<=", now),), (Order("next_sweep_at"),), limit=BATCH)
    runs = await core.documents.query(due)
    lost = await sweep_each(runs, partial(_wake_lost, core, now, cause), partial(_put_off, core, now), report)
    return Swept(len(silent), len(runs), len(silent) + sum(lost))


async def _wake_lost(core: Core, now: datetime, cause: str, run: Snapshot) -> int:
    """Enqueue what nobody was woken for; how much that was."""
    run_id = RunId(run.id)
    found = await find_lost(core, run_id, now)
    await enqueue_ready(core, run_id, found.instances, cause)
    if found.only_waits:
        await let_run_wait(core, run)
    later = SWEEP_PAUSED_AFTER if found.only_waits else SWEEP_AFTER
    if found.instances and await _is_fruitless(core, run, _handed_on(found), now):
        later = FRUITLESS_PAUSE
    await _postpone(core, run_id, now + later)
    return len(found.instances)


async def _put_off(core: Core, now: datetime, run: Snapshot, error: Exception) -> None:
    """Look again later at a run that could not be looked at; a person should know where it is the run's own fault."""
    again = ("defect", "looking at what it has left to do fails each time: its documents may be damaged")
    is_away = isinstance(error, DomainError)
    later = FRUITLESS_PAUSE if not is_away and await _is_fruitless(core, run, again, now) else SWEEP_AFTER
    await try_commit(core.documents, [Update(run.path, {"next_sweep_at": now + later}, seen=run.update_time)])


def _handed_on(lost: Lost) -> tuple[str, str]:
    """A mark of just these nodes, and what a person is told where handing them on does not help."""
    named = ", ".join(lost.instances[:3]) + (" and more" if len(lost.instances) > 3 else "")  # noqa: PLR2004 - enough
    reason = f"its nodes {named} are handed to the queue again and again, and do not begin"
    return hashed_id(*sorted(lost.instances)), reason


async def _is_fruitless(core: Core, run: Snapshot, again: tuple[str, str], now: datetime) -> bool:
    """Whether sweeps have found the same of a run so often that a person should look."""
    mark, reason = again
    owner, subject = Uid((run.fields or {})["owner_uid"]), {"run_id": run.id}
    return await count_fruitless(core.documents, Undone(DeadLetterKind.RUN, owner, subject, mark, reason), now)


async def _silent_nodes(core: Core, before: datetime) -> list[tuple[RunId, Instance]]:
    query = Query("leases", (Filter("beat", "<", before),), (Order("beat"),), limit=BATCH)
    leases = await core.documents.query(query)
    return [(RunId(lease.fields["run_id"]), Instance(lease.fields["instance"])) for lease in leases if lease.fields]


async def _postpone(core: Core, run_id: RunId, later: datetime) -> None:
    """Look at the run again later, unless it has ended, or waits for people: who decides sets a time then."""
    snapshot = await core.documents.get(run_path(run_id))
    if snapshot.fields is None or snapshot.fields["next_sweep_at"] is None:
        return
    waits = snapshot.fields["state"] == RunState.WAITING and not snapshot.fields["cancel_requested"]
    leaves = waits or is_terminal(RunState(snapshot.fields["state"]))
    update = Update(snapshot.path, {"next_sweep_at": None if leaves else later}, seen=snapshot.update_time)
    await try_commit(core.documents, [update])
