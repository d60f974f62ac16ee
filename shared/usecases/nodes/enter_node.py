"""Enter a claimed node: read the run, and check that the node may start."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared.domain.budgets import Held
from shared.domain.ids import SessionId, instance_of
from shared.domain.joins import JoinCount, Readiness, decide, join_path, needs_counter
from shared.domain.nodes import NodeRun, node_path, passes
from shared.domain.records import parse
from shared.domain.runs import Run
from shared.domain.sessions import Message, Slot, history_of, messages_path, slot_path
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Delete, Update, Write
from shared.ports.documents import Documents, Query, Snapshot
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Core, Engine
from shared.usecases.nodes.node_context import NodeContext, Target
from shared.usecases.nodes.purse import Purse
from shared.usecases.nodes.session_log import SessionLog
from shared.usecases.nodes.stand_by import stand_by
from shared.usecases.try_commit import try_commit


async def enter_node(engine: Engine, target: Target, attempt: Attempt) -> NodeContext | None:
    """The context to execute in; None, and the claim undone, when the node must not start.

    The run is read after the claim: whoever cancels or pauses flags the run first and marks the leases then, so that
    one of the two sees the other. What somebody has worked at whose run ended without it is cancelled, and keeps what
    came of it.
    """
    slot = slot_path(target.run.session_id) if target.graph.ends_run(target.node.id) else None
    waits = _readiness_path(target)
    first = attempt.number == 1  # the claim has just created the node: nothing is to be read of it
    wanted = [target.run.path, None if first else attempt.path, slot, waits]
    documents = engine.core.documents
    reading = documents.get_many(list(dict.fromkeys(path for path in wanted if path)))
    history: tuple[Message, ...] = ()
    if slot is None:
        found = await reading
    else:
        found, history = await asyncio.gather(reading, read_messages(documents, target.run.session_id))
    snapshots = {snapshot.path: snapshot for snapshot in found}
    run = parse(Run, snapshots[target.run.path].fields or {})
    stored = snapshots.get(attempt.path)
    node = None if stored is None else parse(NodeRun, stored.fields or {})
    readiness = _readiness(target, snapshots[waits]) if waits else Readiness.FIRE
    has_ended = is_terminal(run.state)
    if readiness is Readiness.WAIT or (has_ended and (first or slot is not None)):
        await _undo_claim(open_purse(engine.core, attempt, replace(target, run=run), stored))
        return None
    if run.paused_at is not None:
        await stand_by(engine.core, attempt, 0 if node is None else node.waits)
        return None
    if run.state is RunState.QUEUED:
        await _start(engine, snapshots[run.path])
    if run.cancel_requested or has_ended:
        attempt.stop()
    return NodeContext(
        target=replace(target, run=run),
        attempt=attempt,
        failures=0 if node is None else node.failures,
        waits=0 if node is None else node.waits,
        skips=readiness is Readiness.SKIP and not target.graph.concludes(target.node.id),
        log=SessionLog(run.session_id, parse(Slot, snapshots[slot].fields or {}).next_seq) if slot else None,
        history=history_of(history, run.turn),
        stored=stored,
        run_seconds=run.seconds_by(engine.core.clock.now()),
    )


def open_purse(core: Core, attempt: Attempt, target: Target, stored: Snapshot | None) -> Purse:
    """The purse of a claimed node; what earlier attempts drew and did not account for is taken as spent.

    A node that the attempt has created is not read: nobody has drawn anything for it.
    """
    if stored is None:
        return Purse(core, attempt, target.funds)
    held = (stored.fields or {}).get("held")
    return Purse(core, attempt, target.funds, stored.update_time, None if held is None else parse(Held, held))


async def read_messages(documents: Documents, session_id: SessionId) -> tuple[Message, ...]:
    """The model messages of a session so far."""
    found = await documents.query(Query(messages_path(session_id)))
    return tuple(parse(Message, message.fields) for message in found if message.fields is not None)


def _readiness_path(target: Target) -> str | None:
    """The document that tells whether a vertex may start; None if it waits for nothing, or its map has expanded it."""
    if target.item is not None or not target.node.after:
        return None
    if needs_counter(target.graph, target.node):
        return join_path(target.graph, target.run.id, target.run.epoch, target.node.id)
    return node_path(target.run.id, instance_of(target.node.after[0], target.run.epoch))


def _readiness(target: Target, snapshot: Snapshot) -> Readiness:
    if needs_counter(target.graph, target.node):
        return decide(len(target.node.after), JoinCount.read(snapshot.fields), target.node.enough)
    if snapshot.fields is None or not is_terminal(NodeState(snapshot.fields["state"])):
        return Readiness.WAIT
    case = target.node.cases.get(target.node.after[0])
    passed = passes(NodeState(snapshot.fields["state"]), snapshot.fields["chosen"], case)
    return Readiness.FIRE if passed else Readiness.SKIP


async def _start(engine: Engine, run: Snapshot) -> None:
    """Start a run that may end early; whoever changed it meanwhile has started it, or cancels it."""
    started = {"state": RunState.RUNNING, "started_at": engine.core.clock.now()}
    await try_commit(engine.core.documents, [Update(run.path, started, seen=run.update_time)])


async def _undo_claim(purse: Purse) -> None:
    """Undo a claim that came too early or too late; what an attempt before it drew is accounted for."""
    attempt = purse.attempt

    async def make() -> Sequence[Write]:
        return [*purse.closes(), Delete(attempt.path)]

    async def applied(_: Snapshot) -> bool:
        return False

    await attempt.commit(make, applied, last=True)
