"""Guards of what comes next: each node is set off, and each join fires, once and in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from shared.domain.ids import Instance, RunId
from shared.domain.joins import Edge, JoinCount, counted, edges_out, expand
from shared.domain.nodes import NodeRun
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import MapWork
from shared.domain.runs import run_path
from shared.domain.states import NodeState
from shared.domain.writes import Increment, Merge, Put, Write
from shared.usecases.approvals import decide_approval
from shared.usecases.nodes import conclude, execute_node, finish_node, release_waiting, wake_successors
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.node_context import NodeContext, Target
from shared.usecases.runs import pause_run
from tests.support.chaos.broken_guards.guard import ALONE, Guard, all_of, commit_at_last, nothing, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import BEARING, GATED, GRAPH
from tests.support.chaos.rules import QUEUE_ALONE, Rules


def _added_late() -> AbstractContextManager[object]:
    resolution, wake = finish_node._resolution, execute_node.wake_successors  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    def not_yet(context: NodeContext, edge: Edge, outcome: Any) -> Write:
        if outcome.items:
            return Merge(edge.path, {"resolved": Increment(0), "ok": Increment(0), "added": Increment(0)})
        return resolution(context, edge, outcome)

    async def wake_then_add(core: Any, target: Target, indices: range, counts: Any) -> None:
        await wake(core, target, indices, counts)
        if target.item is None and indices and counts is not None:
            run, graph = target.run, target.graph
            edges = edges_out(graph, run.id, run.epoch, target.node.id)
            for edge, *_ in counted(graph, edges).values():
                await commit_at_last(core.documents, [expand(edge, len(indices))])

    return all_of(replaced(finish_node, _resolution=not_yet), replaced(execute_node, wake_successors=wake_then_add))


def _naive_counts() -> AbstractContextManager[object]:
    wake = execute_node.wake_successors

    async def trusting(core: Any, target: Target, indices: range, counts: Any) -> None:
        await wake(core, target, indices, counts or {})

    return replaced(execute_node, wake_successors=trusting)()


def _unmarked(edge: Edge, shard: JoinCount) -> list[Write]:
    sums = {"resolved": Increment(shard.resolved), "ok": Increment(shard.ok), "added": Increment(0)}
    return [Put(f"{edge.path}.done", {"resolved": shard.resolved}), Merge(edge.counter, sums)]


async def _only_if_it_waits(core: Core, run_id: RunId) -> list[Write]:
    """A decision leaves a run alone that is not set to waiting yet."""
    run = await core.documents.get(run_path(run_id))
    return await release_waiting.stop_waiting(core, run_id) if (run.fields or {})["waiting_since"] else []


def _unhandled(graph: PlanGraph, nodes: Sequence[NodeRun]) -> list[NodeRun]:
    """A join bears the failures of those that it did not need only where they come too late."""
    return [node for node in nodes if node.state is NodeState.FAILED and not graph.handles_failure(node.node)]


def _only_first_wave(*, of_graphs: bool) -> Callable[[], AbstractContextManager[object]]:
    """The items of a map, or their graphs, begin none a wave behind them."""
    begun_by = wake_successors.begun_by

    def begins(target: Target, indices: range) -> list[Instance]:
        is_item = target.item is not None and isinstance(target.node.work, MapWork)
        ends_wave = target.graph.item_ended_by(target.node.id) is not None if of_graphs else is_item
        return [] if ends_wave else begun_by(target, indices)

    return replaced(wake_successors, begun_by=begins)


UNDONE = r"^at \d+ s something is still to be done: .* runs \['\w+ running'"
ASKED_SLOWLY = Rules(kinds=frozenset({Fault.SLOW}), only_workers=True, scenario=replace(ALONE, definition=GATED))
"""A graph begins to wait, in commits that take long, while somebody answers already."""
MAPPED = Rules(scenario=replace(ALONE, definition=GRAPH, workers=2))
"""A join waits for the items of a map, which two workers execute."""
BORNE = Rules(scenario=replace(ALONE, definition=BEARING, workers=2))
"""A join has enough without a node that fails."""
WAKE_UPS = {
    "successor re-check": Guard("no lost wake-up", replaced(execute_node, _wake_again=nothing), UNDONE, QUEUE_ALONE),
    "counters read by level": Guard("no lost wake-up", _naive_counts, UNDONE, QUEUE_ALONE),
    "items a wave behind": Guard("no lost wake-up", _only_first_wave(of_graphs=False), UNDONE, QUEUE_ALONE),
    "graphs a wave behind": Guard("no lost wake-up", _only_first_wave(of_graphs=True), UNDONE, QUEUE_ALONE),
    "sweeper": Guard("no lost wake-up", all_of, UNDONE, Rules(sweeper=False)),
    "woken by who resumes": Guard("a resumed run goes on", replaced(pause_run, wake_held=nothing), UNDONE, QUEUE_ALONE),
    "run changed by who decides": Guard(
        "a run that waits waits for people alone",
        replaced(decide_approval, stop_waiting=_only_if_it_waits),
        r"^run \w+ is said to wait for people, and ",
        ASKED_SLOWLY,
    ),
    "added with the items": Guard("a join fires when all have ended", _added_late, r": gives .*, expected ", MAPPED),
    "failures borne": Guard(
        "who ends first does not decide what a run comes to",
        replaced(conclude, unborne=_unhandled),
        r"^run \w+: failed for bad~0, without which a join had enough",
        BORNE,
    ),
    "shard marker": Guard(
        "a join counts each edge once", replaced(wake_successors, promote=_unmarked), r": counts .*, expected "
    ),
}
