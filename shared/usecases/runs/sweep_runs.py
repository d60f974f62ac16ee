"""Sweep: find what a dead process left behind, and hand it to the queue again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.dead_letters import FRUITLESS_PAUSE, DeadLetterKind
from shared.domain.ids import Instance, RunId, Uid, hashed_id, instance_of
from shared.domain.nodes import NodeRun, count_of, indices_of, nodes_path
from shared.domain.records import parse
from shared.domain.runs import SWEEP_AFTER, run_path
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Update
from shared.ports.documents import CommitRefused, Filter, Order, OutcomeUnknown, Query, Snapshot
from shared.usecases.dead_letters.count_fruitless import Undone, count_fruitless
from shared.usecases.nodes.engine import Core, LoadedRun
from shared.usecases.nodes.load_run import load_run
from shared.usecases.nodes.node_context import Item, Target
from shared.usecases.nodes.release_waiting import release_waiting
from shared.usecases.nodes.wake_successors import enqueue_ready, find_ready

BATCH = 100
SWEEP_WAITING_AFTER = timedelta(minutes=10)
"""How long a graph is left alone that is paused, or waits for nothing but people: who lets it go on wakes it."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: how many silent leases and how many runs it looked at, and how many tasks it enqueued."""

    leases: int
    runs: int
    tasks: int


async def sweep_runs(core: Core, lease_seconds: float) -> Swept:
    """Enqueue the nodes whose attempts fell silent, and those of old runs that nobody was woken for.

    Tasks get names of their own: a name that was used once stays reserved.
    """
    now = core.clock.now()
    cause = f"sweep {now.isoformat()}"
    silent = await _silent_nodes(core, now - timedelta(seconds=lease_seconds))
    for run_id, instance in silent:
        await enqueue_ready(core, run_id, [instance], cause)
    due = Query("runs", (Filter("next_sweep_at", "<=", now),), (Order("next_sweep_at"),), limit=BATCH)
    runs = await core.documents.query(due)
    lost = 0
    for snapshot in runs:
        run_id = RunId(snapshot.id)
        found = await find_lost(core, run_id, now)
        await enqueue_ready(core, run_id, found.instances, cause)
        lost += len(found.instances)
        later = SWEEP_WAITING_AFTER if found.only_waits else SWEEP_AFTER
        if found.instances and await _is_fruitless(core, snapshot, found, now):
            later = FRUITLESS_PAUSE
        await _postpone(core, run_id, now + later)
    return Swept(len(silent), len(runs), len(silent) + lost)


async def _is_fruitless(core: Core, run: Snapshot, lost: Lost, now: datetime) -> bool:
    """Whether sweeps have handed just these nodes to the queue so often that a person should look."""
    named = ", ".join(lost.instances[:3]) + (" and more" if len(lost.instances) > 3 else "")  # noqa: PLR2004 - enough
    undone = Undone(
        kind=DeadLetterKind.RUN,
        owner_uid=Uid((run.fields or {})["owner_uid"]),
        subject={"run_id": run.id},
        mark=hashed_id(*sorted(lost.instances)),
        reason=f"its nodes {named} are handed to the queue again and again, and do not begin",
    )
    return await count_fruitless(core.documents, undone, now)


@dataclass(frozen=True, slots=True)
class Lost:
    """The node instances of a run that nobody was woken for, and whether only people can make it go on."""

    instances: list[Instance]
    only_waits: bool = False


async def find_lost(core: Core, run_id: RunId, now: datetime) -> Lost:
    """The node instances of a run that could be executed now and that nobody holds."""
    loaded = await load_run(core.documents, run_id)
    if loaded is None or is_terminal(loaded.run.state):
        return Lost([])
    if loaded.run.paused_at is not None:
        return Lost([], only_waits=True)
    found = await core.documents.query(Query(nodes_path(run_id)))
    nodes = [parse(NodeRun, snapshot.fields) for snapshot in found if snapshot.fields is not None]
    if loaded.run.cancel_requested:
        await release_waiting(core, run_id)
    ready = [instance_of(node.id, loaded.run.epoch) for node in loaded.graph.entries]
    for target, node in _ended(loaded, nodes):
        ready += await find_ready(core, target, indices_of(node), None)
    begun = {node.instance for node in nodes}
    released = [
        node.instance
        for node in nodes
        if node.state is NodeState.READY and (node.not_before is None or node.not_before <= now)
    ]
    active = {node.state for node in nodes if not is_terminal(node.state)}
    lost = [*dict.fromkeys(instance for instance in ready if instance not in begun), *released]
    return Lost(lost, only_waits=not lost and active == {NodeState.WAITING})


def _ended(loaded: LoadedRun, nodes: list[NodeRun]) -> list[tuple[Target, NodeRun]]:
    """The ended nodes whose successors have not all begun; one item stands for all of an unsharded map."""
    begun = {node.instance for node in nodes}
    counts = {node.node: count for node in nodes if (count := count_of(node)) is not None}
    ended: list[tuple[Target, NodeRun]] = []
    for node in nodes:
        vertex = loaded.graph.by_id.get(node.node)
        if vertex is None or not is_terminal(node.state):
            continue
        after = [instance_of(other.id, loaded.run.epoch) for other in loaded.graph.successors[vertex.id]]
        if all(instance in begun for instance in after) and not loaded.graph.expands(vertex.id):
            continue
        item = None if node.index is None else Item(node.index, counts.get(node.node, 1), None)
        ended.append((Target.of(loaded, vertex, item), node))
    return ended


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
    try:
        update = Update(snapshot.path, {"next_sweep_at": None if leaves else later}, seen=snapshot.update_time)
        await core.documents.commit([update])
    except (CommitRefused, OutcomeUnknown):
        return
