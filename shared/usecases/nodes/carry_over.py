"""Carry over what a node came to in a run that this one repeats, instead of working again."""

from __future__ import annotations

from shared.domain.nodes import NodeRun, Outcome, node_path
from shared.domain.records import parse
from shared.domain.repeats import holds
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.keep_value import read_items_of, read_outputs_of
from shared.usecases.nodes.node_context import NodeContext


async def carry_over(engine: Engine, context: NodeContext) -> Outcome | None:
    """The outcome that the node had in the latest earlier run where it has one that holds; None if it must work.

    It consumed nothing in this run.
    """
    graph = context.target.graph
    earlier = graph.earlier(context.target.node)
    if not earlier:
        return None
    paths = [node_path(run_id, context.instance) for run_id in earlier]
    for snapshot in await engine.core.documents.get_many(paths):
        node = None if snapshot.fields is None else parse(NodeRun, snapshot.fields)
        if node is not None and holds(graph, node):
            return await _outcome(engine, node)
    return None


async def _outcome(engine: Engine, node: NodeRun) -> Outcome:
    (output,) = await read_outputs_of(engine.core.documents, [node])
    return Outcome(
        state=node.state,
        output=output,
        items=await read_items_of(engine.core.documents, node),
        chosen=node.chosen,
        next_index=node.next_index,
        error=node.error,
    )
