"""Finish a node: record its outcome once, and resolve its edges in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.domain.document_limits import HALF_A_PAIR
from shared.domain.errors import DocumentTooLarge, InvalidArgument, TooLarge
from shared.domain.joins import Edge, JoinCount, counted, edges_out, expand, resolve
from shared.domain.nodes import Outcome, passes
from shared.domain.plans import InputWork
from shared.domain.records import render, to_json
from shared.domain.runs import Failure
from shared.domain.states import NodeState
from shared.domain.writes import Write
from shared.ports.documents import Committed, Snapshot
from shared.usecases.nodes.end_run import RunEnd, output_fields
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.keep_value import keep_output
from shared.usecases.nodes.node_context import NodeContext

Counts = dict[str, JoinCount]
"""What a commit said about counters, by path."""


async def finish_node(
    engine: Engine, context: NodeContext, outcome: Outcome, live: Sequence[Write] = ()
) -> Counts | None:
    """Commit the outcome; what neither a document nor a file can hold is a failure.

    Args:
        engine: the engine.
        context: the node.
        outcome: a terminal outcome.
        live: writes that complete the node's live text.

    Returns:
        The counters after the commit, or None when its result was lost.

    Raises:
        Superseded: another attempt has the node.
    """
    try:
        return await _commit(engine, context, await keep_output(engine.core, context, outcome), live)
    except (TooLarge, DocumentTooLarge) as error:
        failure = Failure("node_output_too_large", f"the node's output is too large to be kept: {error.message}")
        failed = Outcome(state=NodeState.FAILED, error=failure, usage=outcome.usage, said=outcome.said)
    except (InvalidArgument, UnicodeEncodeError) as error:  # what it said holds it as well
        reason = error.message if isinstance(error, InvalidArgument) else HALF_A_PAIR
        failure = Failure(InvalidArgument.code, f"the node's output cannot be kept: {reason}")
        failed = Outcome(state=NodeState.FAILED, error=failure, usage=outcome.usage)
    return await _commit(engine, context, failed, ())


async def _commit(engine: Engine, context: NodeContext, outcome: Outcome, live: Sequence[Write]) -> Counts | None:
    edges = [] if outcome.next_index is not None else counted_edges(context)
    resolutions = [_resolution(context, edge, outcome) for edge in edges]
    end = None if context.log is None else RunEnd(engine.core, context.run, context.instance, outcome)

    async def make() -> Sequence[Write]:
        ending = await end.writes() if end else ()
        return [*resolutions, *await context.purse.closing(_ended(engine, context, outcome)), *live, *ending]

    async def applied(node: Snapshot) -> bool:
        return node.fields is not None and node.fields["state"] == outcome.state

    committed = await context.attempt.commit(make, applied, last=True)
    if end is not None:
        end.tell(context.viewer)
    return None if committed is None else _counts(edges, committed)


def counted_edges(context: NodeContext) -> list[Edge]:
    """Of the edges of a node instance that are counted, one for each place where they count."""
    target = context.target
    graph, run = target.graph, target.run
    edges = edges_out(graph, run.id, run.epoch, target.node.id, target.position)
    return [edge for edge, *_ in counted(graph, edges).values()]


def _resolution(context: NodeContext, edge: Edge, outcome: Outcome) -> Write:
    if outcome.items:
        return expand(edge, len(outcome.items))
    case = edge.successor.cases.get(context.target.node.id)
    return resolve(edge, ok=passes(outcome.state, outcome.chosen, case))


def _ended(engine: Engine, context: NodeContext, outcome: Outcome) -> dict[str, Any]:
    begins_part = isinstance(context.target.work, InputWork)
    return {
        "state": outcome.state,
        **output_fields(outcome),
        "text": None if outcome.state is NodeState.SUCCEEDED else outcome.said,
        "items_json": None if outcome.items is None or outcome.items_file else to_json(outcome.items),
        "items_file": None if outcome.items_file is None else render(outcome.items_file),
        "chosen": outcome.chosen,
        "next_index": outcome.next_index,
        "error": None if outcome.error is None else render(outcome.error),
        "usage": render(outcome.usage),
        "completed_at": engine.core.clock.now(),
        **({"run_seconds": context.run_seconds} if begins_part else {}),
    }


def _counts(edges: list[Edge], committed: Committed) -> Counts:
    return {edge.path: JoinCount.read(sums) for edge, sums in zip(edges, committed.sums[: len(edges)], strict=True)}


async def release_node(context: NodeContext, outcome: Outcome, records: Sequence[Write] = ()) -> None:
    """Give the node up so that it is tried again from its journal, with `records`, not before the outcome says."""
    fields = {
        "state": NodeState.READY,
        "failures": context.failures + (outcome.error is not None),
        "waits": context.waits + (outcome.cause == "yield" and outcome.not_before is not None),
        "not_before": outcome.not_before,
        "error": None if outcome.error is None else render(outcome.error),
        "text": outcome.said,
        "usage": render(outcome.usage),
    }

    async def make() -> Sequence[Write]:
        return [*await context.purse.closing(fields), *records]

    async def applied(node: Snapshot) -> bool:
        return node.fields is not None and node.fields["state"] == NodeState.READY

    await context.attempt.commit(make, applied, last=True)
