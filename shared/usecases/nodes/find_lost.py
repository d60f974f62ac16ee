"""Find what nobody was woken for, from what is stored alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import Instance, RunId, instance_of
from shared.domain.joins import Edge, JoinCount, needs_counter
from shared.domain.nodes import NodeRun, count_of, indices_of, nodes_path
from shared.domain.records import parse
from shared.domain.states import NodeState, is_terminal
from shared.ports.documents import Query
from shared.usecases.nodes.engine import Core, LoadedRun
from shared.usecases.nodes.load_run import load_run
from shared.usecases.nodes.node_context import Item, Target
from shared.usecases.nodes.release_waiting import release_waiting
from shared.usecases.nodes.wake_successors import begun_by, edges_to_wake, promote_shard


@dataclass(frozen=True, slots=True)
class Lost:
    """The node instances of a run that nobody was woken for, and whether only people can make it go on."""

    instances: list[Instance]
    only_waits: bool = False


async def find_lost(core: Core, run_id: RunId, now: datetime, most: int | None = None) -> Lost:
    """The node instances of a run that could be executed now and that nobody holds.

    What must be there before they can be found is made up for: the waiting nodes of a cancelled run are released, and
    complete shards of a counter are added to it.

    Args:
        core: the ports.
        run_id: the run.
        now: the time at which those that are to be tried again may start.
        most: how many nodes to look at; nothing is said of a run that has more.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    loaded = await load_run(core.documents, run_id)
    if loaded is None or is_terminal(loaded.run.state):
        return Lost([])
    if loaded.run.paused_at is not None:
        return Lost([], only_waits=True)
    found = await core.documents.query(Query(nodes_path(run_id), limit=None if most is None else most + 1))
    if most is not None and len(found) > most:
        return Lost([])
    nodes = [parse(NodeRun, snapshot.fields) for snapshot in found if snapshot.fields is not None]
    if loaded.run.cancel_requested:
        await release_waiting(core, run_id)
    begun = {node.instance for node in nodes}
    entries = [instance_of(node.id, loaded.run.epoch) for node in loaded.graph.entries]
    ready = [*entries, *await _set_off(core, loaded, nodes, begun)]
    released = [
        node.instance
        for node in nodes
        if node.state is NodeState.READY and (node.not_before is None or node.not_before <= now)
    ]
    active = {node.state for node in nodes if not is_terminal(node.state)}
    lost = [*dict.fromkeys(instance for instance in ready if instance not in begun), *released]
    return Lost(lost, only_waits=not lost and active == {NodeState.WAITING})


async def _set_off(
    core: Core, loaded: LoadedRun, nodes: Sequence[NodeRun], begun: Collection[Instance]
) -> list[Instance]:
    """What ended nodes have set off: items, rounds, and successors that wait for nothing else."""
    ready: list[Instance] = []
    counted: dict[tuple[str, Instance], Edge] = {}
    for target, indices in _ended(loaded, nodes):
        ready += begun_by(target, indices)
        if target.item is not None and indices:
            continue  # the next round resolves the edges
        for edge in edges_to_wake(target):
            if edge.instance in begun:
                continue
            if needs_counter(loaded.graph, edge.successor):
                counted[edge.path, edge.instance] = edge  # of those into a vertex each says the same
            else:
                ready.append(edge.instance)
    return ready + await _complete(core, list(counted.values()))


def _ended(loaded: LoadedRun, nodes: Sequence[NodeRun]) -> Iterable[tuple[Target, range]]:
    """The ended nodes, each with the items, or the next round, that it has set off; nothing if nobody has begun it."""
    counts = {node.node: count for node in nodes if (count := count_of(node)) is not None}
    for node in nodes:
        vertex = loaded.graph.by_id.get(node.node)
        if vertex is not None and node.attempt and is_terminal(node.state):
            item = None if node.index is None else Item(node.index, counts.get(node.node, 1), None)
            yield Target.of(loaded, vertex, item), indices_of(node)


async def _complete(core: Core, edges: Sequence[Edge]) -> list[Instance]:
    """The successors whose counters are complete, all read at once; a complete shard is added first if it was not."""
    if not edges:
        return []
    shards = [edge for edge in edges if edge.shard is not None]
    paths = {path for edge in edges for path in (edge.path, edge.counter)} | {edge.marker for edge in shards}
    found = {one.path: one for one in await core.documents.get_many(sorted(paths))}
    ready: list[Instance] = []
    for edge in edges:
        count, total = (JoinCount.read(found[path].fields) for path in (edge.path, edge.counter))
        if not edge.is_complete(count):
            continue
        if edge.shard is not None and not found[edge.marker].exists:
            total = await promote_shard(core, edge, count)
        if edge.total_is_complete(total):
            ready.append(edge.instance)
    return ready
