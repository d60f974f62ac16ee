"""Wake what an ended node made ready: enqueue its successors, a map's items, and the session's next run."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.budgets import tightest
from shared.domain.errors import Unavailable
from shared.domain.ids import Instance, NodeId, RunId, instance_of
from shared.domain.joins import Edge, JoinCount, counted, edges_out, needs_counter, promote
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import ItemsWork, MapWork, below
from shared.domain.records import parse
from shared.domain.runs import Run
from shared.domain.sessions import Slot, slot_path
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.ports.task_queue import NodeTask
from shared.usecases.facts.tell_run_end import tell_run_end
from shared.usecases.nodes.attempt import RESEND_SECONDS
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.finish_node import Counts
from shared.usecases.nodes.load_run import load_run
from shared.usecases.nodes.node_context import Target

READY = "ready"
TRIES = 5


async def wake_successors(core: Core, target: Target, indices: range, counts: Counts | None) -> None:
    """Enqueue a task for each instance that `find_ready` finds."""
    await enqueue_ready(core, target.run.id, await find_ready(core, target, indices, counts))


async def find_ready(core: Core, target: Target, indices: range, counts: Counts | None) -> list[Instance]:
    """The node instances that may start because `target` ended: its items, and successors that wait for nothing else.

    Args:
        core: the ports.
        target: the node instance that ended.
        indices: the items that the node set off, or the next round of its loop.
        counts: what the finishing commit said about the counters; None reads them, as a redelivered task does, because
            whoever finished the node may have died before it woke anybody.
    """
    graph, ready = target.graph, begun_by(target, indices)
    if target.item is not None and indices:
        return ready
    edges = edges_to_wake(target)
    ready += [edge.instance for edge in edges if not needs_counter(graph, edge.successor)]
    sharing = counted(graph, edges)
    if counts is None:
        counts = await _read_counts(core, list(sharing))
    for path, alike in sharing.items():
        if await _is_ready(core, alike[0], counts.get(path, JoinCount())):
            ready += [edge.instance for edge in alike]
    return ready


def begun_by(target: Target, indices: range) -> list[Instance]:
    """The items, the next round, or the graphs of a map's items that an ended node sets off.

    Of a map the first wave, then each item, and each graph of one, the one a wave behind it. So no more than a wave of
    them is queued or at work, without anybody counting.
    """
    run, graph, node, item = target.run, target.graph, target.node, target.item
    if isinstance(node.work, ItemsWork):
        return _graphs_of_items(target, node.within, range(run.wave))
    if (turn := graph.item_ended_by(node.id)) is not None:
        return _graphs_of_items(target, turn.of, range(turn.index + run.wave, turn.index + run.wave + 1))
    if isinstance(node.work, MapWork):
        limits = (run.wave, node.work.max_parallel, tightest(target.funds).places)
        wave = min(most for most in limits if most is not None)
        indices = indices[:wave] if item is None else range(item.index + wave, item.count)[:1]
    return [instance_of(node.id, run.epoch, index) for index in indices]


def edges_to_wake(target: Target) -> Sequence[Edge]:
    """The edges of an ended node along which nodes may start; what `begun_by` begins is not among them."""
    if isinstance(target.node.work, ItemsWork):
        return ()
    return edges_out(target.graph, target.run.id, target.run.epoch, target.node.id, target.position)


def _graphs_of_items(target: Target, map_: NodeId | None, indices: range) -> list[Instance]:
    """The nodes with which the graphs of a map's items begin, as far as there are such graphs."""
    assert map_ is not None  # noqa: S101 - what begins a map is within it
    first = [below(below(map_, str(index)), "input") for index in indices]
    return [instance_of(node, target.run.epoch) for node in first if node in target.graph.by_id]


async def enqueue_ready(core: Core, run_id: RunId, instances: Sequence[Instance], cause: str = READY) -> None:
    """Enqueue one task for each instance; a cause that was used before changes nothing."""
    if instances:
        await core.queue.enqueue([NodeTask(run_id, instance, cause) for instance in instances])


async def wake_next_run(core: Core, run: Run) -> None:
    """Enqueue the entry nodes of the run that owns the session's slot after `run`, and tell of the end of `run`."""
    await enqueue_next_run(core, run)
    await tell_run_end(core, run)


async def enqueue_next_run(core: Core, run: Run) -> None:
    """Enqueue the entry nodes of the run that owns the session's slot after `run`."""
    snapshot = await core.documents.get(slot_path(run.session_id))
    slot = Slot() if snapshot.fields is None else parse(Slot, snapshot.fields)
    if slot.run_id is not None and slot.run_id != run.id:
        following = await load_run(core.documents, slot.run_id)
        if following is not None:
            await enqueue_entries(core, following.run, following.graph)


async def enqueue_entries(core: Core, run: Run, graph: PlanGraph, cause: str = READY) -> None:
    """Enqueue the nodes that wait for nothing."""
    await enqueue_ready(core, run.id, [instance_of(node.id, run.epoch) for node in graph.entries], cause)


async def _is_ready(core: Core, edge: Edge, count: JoinCount) -> bool:
    """Whether the counter is complete, adding a complete shard to it first."""
    if not edge.is_complete(count):
        return False
    return edge.shard is None or edge.total_is_complete(await promote_shard(core, edge, count))


async def promote_shard(core: Core, edge: Edge, shard: JoinCount) -> JoinCount:
    """The counter after a complete shard was added to it, now or before.

    Raises:
        Unavailable: whether it was added is not known; nobody else would find out.
    """
    for _ in range(TRIES):
        try:
            committed = await core.documents.commit(promote(edge, shard))
        except CommitRefused:
            return JoinCount.read((await core.documents.get(edge.counter)).fields)
        except OutcomeUnknown:
            await core.clock.sleep(RESEND_SECONDS)
            continue
        return JoinCount.read(committed.sums[1])
    raise Unavailable("the document store does not answer")


async def _read_counts(core: Core, paths: Sequence[str]) -> Counts:
    snapshots = await core.documents.get_many(paths) if paths else []
    return {snapshot.path: JoinCount.read(snapshot.fields) for snapshot in snapshots}
