"""Gather what a node's templates refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.domain.ids import NodeId, instance_of
from shared.domain.node_references import conditions_of, names_in, roots_of
from shared.domain.nodes import NodeRun, node_path, nodes_path
from shared.domain.records import from_json, parse
from shared.domain.runs import Run
from shared.domain.states import NodeState
from shared.ports.documents import Documents, Filter, Query
from shared.usecases.nodes.keep_value import read_outputs_of
from shared.usecases.nodes.node_context import Target


async def gather_scope(documents: Documents, target: Target) -> dict[str, Any]:
    """What the node's templates may refer to: the input, the outputs that they name, and the map's item.

    An output is `{"output": …}` under the node's name. Within a subgraph the input is the subgraph's.
    """
    node = target.node
    roots = (*roots_of(target.work), *names_in(conditions_of(node.work)))  # a round's work is without its loop's end
    named = {name: node.named(name) for name in roots}
    known = {name: vertex for name, vertex in named.items() if vertex in target.graph.by_id}
    outputs = await read_outputs(documents, target, list(known.values()))
    scope: dict[str, Any] = {name: {"output": outputs.get(vertex)} for name, vertex in known.items()}
    scope["input"] = run_input(target.run) if node.scope is None else outputs.get(node.named("input"))
    if target.item is not None:
        scope |= {"item": target.item.value, "index": target.item.index}
    return scope


def run_input(run: Run) -> Any:
    """The run's input as templates see it; text is `{"text": …}`."""
    value = from_json(run.input_json)
    return {"text": value} if isinstance(value, str) else value


async def read_outputs(documents: Documents, target: Target, names: Sequence[NodeId]) -> dict[NodeId, Any]:
    """The outputs of the nodes that succeeded; a map's is the list of its items', a loop's that of its last round."""
    run, graph = target.run, target.graph
    plain = [name for name in names if not graph.expands(name)]
    paths = [node_path(run.id, instance_of(name, run.epoch)) for name in plain]
    snapshots = await documents.get_many(paths) if plain else []
    ended = [
        parse(NodeRun, snapshot.fields)
        for snapshot in snapshots
        if snapshot.fields is not None and snapshot.fields["state"] == NodeState.SUCCEEDED
    ]
    outputs = {node.node: output for node, output in zip(ended, await read_outputs_of(documents, ended), strict=True)}
    for name in names:
        if graph.expands(name):
            items = [item for item in await read_items(documents, run, name) if item.state is NodeState.SUCCEEDED]
            if graph.is_map(name):
                outputs[name] = await read_outputs_of(documents, items)
            elif items and items[-1].next_index is None:
                (outputs[name],) = await read_outputs_of(documents, items[-1:])
    return outputs


async def read_items(documents: Documents, run: Run, name: NodeId) -> list[NodeRun]:
    """The instances of a map, in the order of its items."""
    found = await documents.query(Query(nodes_path(run.id), (Filter("node", "==", name),)))
    nodes = [parse(NodeRun, snapshot.fields) for snapshot in found if snapshot.fields is not None]
    epoch = f"~{run.epoch}"
    items = [node for node in nodes if node.index is not None and node.instance.endswith(epoch)]
    return sorted(items, key=lambda node: node.index or 0)
