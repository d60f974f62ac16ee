"""Cancel a run: it makes no further model call, keeps what it produced, and reaches `cancelled`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from shared.domain.facts import record_run_end
from shared.domain.ids import RunId, Token, Uid, instance_of
from shared.domain.nodes import NodeRun, Outcome, node_path, nodes_path
from shared.domain.plan_widths import MOST_IN_COMMIT
from shared.domain.plans import PlanNode
from shared.domain.quotas import count_off
from shared.domain.records import parse, render
from shared.domain.runs import SWEEP_AFTER, Failure, Run, run_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Query, Snapshot
from shared.usecases.change_record import Change, change_record
from shared.usecases.facts.tell_run_end import tell_run_end
from shared.usecases.nodes.end_run import RunEnd, cancelled
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.load_run import load_run
from shared.usecases.nodes.mark_leases import mark_leases
from shared.usecases.nodes.release_waiting import release_waiting, waiting_nodes, withdrawal
from shared.usecases.nodes.wake_successors import wake_next_run
from shared.usecases.runs.get_run import get_own_run
from shared.usecases.runs.pause_run import wake_held

_UNBEGUN = Failure("cancelled", "the run was cancelled before it started")


async def cancel_run(core: Core, caller: Uid, run_id: RunId) -> Run:
    """Request that the run stops; one that nobody has begun, and one of one node that waits for people, ends at once.

    Doing it twice does what the first time may have left undone; after any other end it changes nothing.

    Raises:
        NotFound: there is no such run for the caller.
        PermissionDenied: the caller may read the run, but it is not theirs.
        Aborted: the run changes too fast.
        Unavailable: the store or the queue does not answer; the run may be being cancelled.
    """
    await get_own_run(core.documents, caller, run_id)

    async def stop(snapshot: Snapshot) -> Change[None]:
        run = parse(Run, snapshot.fields or {})
        if is_terminal(run.state):
            return Change(None)
        if ended := await _end_unbegun(core, run) or await _end_waiting(core, run):
            return Change(None, ended)
        now = core.clock.now()
        # The sweeper leaves a run alone that waits for people; now it must complete what this process may not.
        stopped = {"cancel_requested": True, **run.resumed(now), "next_sweep_at": now + SWEEP_AFTER}
        return Change(None, [Update(run.path, stopped, seen=snapshot.update_time)])

    await change_record(core.documents, core.clock, run_path(run_id), stop)
    run = await _read(core, run_id)
    if not is_terminal(run.state):
        await mark_leases(core, run_id, "cancel")
        await release_waiting(core, run_id)
        await wake_held(core, run_id)
        return await _read(core, run_id)
    if run.state is RunState.CANCELLED:
        await _tell(core, run)
    return run


async def _read(core: Core, run_id: RunId) -> Run:
    return parse(Run, (await core.documents.get(run_path(run_id))).fields or {})


async def _tell(core: Core, run: Run) -> None:
    """Wake the session's next run, where this one had the session, and tell of its end."""
    had_session = run.last_seq is not None
    await (wake_next_run(core, run) if had_session else tell_run_end(core, run))


async def _end_unbegun(core: Core, run: Run) -> Sequence[Write]:
    """What ends a run that nobody has begun; nothing if somebody has, or is about to, or one commit cannot."""
    slot = await core.documents.get(slot_path(run.session_id))
    if run.id in parse(Slot, slot.fields or {}).queue:
        return _leave_queue(core, run, slot)
    if run.started_at is not None or await core.documents.query(Query(nodes_path(run.id), limit=1)):
        return []
    loaded = await load_run(core.documents, run.id)
    assert loaded is not None  # noqa: S101 - it was just read
    if len(loaded.graph.entries) > MOST_IN_COMMIT:
        return []
    last = instance_of(loaded.graph.plan.nodes[-1].id, run.epoch)
    end = RunEnd(core, run, last, Outcome(NodeState.CANCELLED, error=_UNBEGUN))
    # A claim creates its node: either these are refused, or every claim is, of a task that is still to be delivered.
    entries = [_never_claimed(core, run, node) for node in loaded.graph.entries]
    return [*entries, *await end.writes()]


async def _end_waiting(core: Core, run: Run) -> Sequence[Write]:
    """What ends a run of one node that waits for people, with its delegates; nothing if it does not."""
    waiting = await waiting_nodes(core, run.id) if run.shape != "graph" else []
    nodes = [parse(NodeRun, snapshot.fields or {}) for snapshot in waiting]
    main = next((node for node in nodes if node.parent is None), None)
    if main is None:
        return []
    outcome = cancelled(main.usage)
    # Who decides changes the node: either these are refused, or the decision is.
    reasons = [outcome.error if node is main else None for node in nodes]
    ends = [withdrawal(core, *each) for each in zip(waiting, reasons, strict=True)]
    return [*chain.from_iterable(ends), *await RunEnd(core, run, main.instance, outcome).writes()]


def _never_claimed(core: Core, run: Run, node: PlanNode) -> Write:
    """A node that ends before anybody has claimed it."""
    now, instance = core.clock.now(), instance_of(node.id, run.epoch)
    ended = NodeRun(
        owner_uid=run.owner_uid,
        run_id=run.id,
        instance=instance,
        node=node.id,
        kind=node.work.kind,
        state=NodeState.CANCELLED,
        attempt=0,
        token=Token(""),
        created_at=now,
        error=_UNBEGUN,
        completed_at=now,
    )
    return Create(node_path(run.id, instance), render(ended))


def _leave_queue(core: Core, run: Run, slot: Snapshot) -> Sequence[Write]:
    """What ends a run that waits in its session's queue; it never entered the log."""
    now = core.clock.now()
    ended = {
        "state": RunState.CANCELLED,
        "cancel_requested": True,
        "paused_at": None,
        "error": render(_UNBEGUN),
        "completed_at": now,
        "is_counted": False,
    }
    queue = [other for other in parse(Slot, slot.fields or {}).queue if other != run.id]
    return [
        Update(slot.path, {"queue": queue}, seen=slot.update_time),
        Update(run.path, ended),
        record_run_end(run, RunState.CANCELLED, _UNBEGUN, now),
        *count_off(run),
    ]
