"""Conclude a graph, a subgraph, or a node that has a fallback: its outcome follows from what its nodes came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.domain.definition_schemas import value_faults
from shared.domain.errors import OutputInvalid
from shared.domain.failures_borne import unborne
from shared.domain.ids import NodeId, instance_of
from shared.domain.large_values import beginning_of
from shared.domain.nodes import NodeRun, Outcome, node_path, nodes_path
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import END, FallbackWork, SubgraphWork, TurnsWork
from shared.domain.records import parse
from shared.domain.runs import Failure
from shared.domain.states import NodeState
from shared.domain.templates import as_text
from shared.domain.usage import NO_USAGE
from shared.ports.documents import Documents, Query
from shared.usecases.nodes.end_run import cancelled
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.gather_inputs import read_items, read_outputs
from shared.usecases.nodes.node_context import NodeContext, Target


async def conclude_graph(engine: Engine, context: NodeContext) -> Outcome:
    """The outcome of a graph's end: its last nodes' outputs, or the first failure, and the usage of all nodes."""
    documents, run, graph = engine.core.documents, context.run, context.target.graph
    found = await documents.query(Query(nodes_path(run.id)))
    nodes = [parse(NodeRun, snapshot.fields) for snapshot in found if snapshot.fields is not None]
    usage = sum((node.usage for node in nodes if node.parent is None), NO_USAGE)
    if run.cancel_requested:
        return cancelled(usage)
    own = [node for node in nodes if node.node in graph.by_id and graph.by_id[node.node].within is None]
    error = _failure(graph, own)
    if error is not None:
        return Outcome(NodeState.FAILED, error=error, usage=usage)
    sinks = graph.by_id[END].after
    output = _output(sinks, await read_outputs(documents, context.target, sinks))
    error = _misfit("graph", graph.plan.output_schema, output)
    if error is not None:
        return Outcome(NodeState.FAILED, error=error, usage=usage)
    text = as_text(output)
    messages = tuple(engine.runner.history(run.input_text, beginning_of(text)))
    return Outcome(NodeState.SUCCEEDED, output=output, usage=usage, messages=messages, text=text)


async def conclude_part(engine: Engine, context: NodeContext, work: SubgraphWork | FallbackWork | TurnsWork) -> Outcome:
    """The outcome of a subgraph, of a node with a fallback, or of a map or loop of graphs: what a run would come to.

    It is skipped where its first node was.
    """
    documents, target, own = engine.core.documents, context.target, context.target.node
    first = target.graph.first_inside(own.id)
    nodes = await _read_inside(documents, target)
    if any(node.node == first and node.state is NodeState.SKIPPED for node in nodes):
        return Outcome(NodeState.SKIPPED)
    error = _failure(target.graph, nodes)
    if error is not None:
        return Outcome(NodeState.FAILED, error=error)
    outputs = await read_outputs(documents, target, own.after)
    if isinstance(work, FallbackWork):
        return Outcome(NodeState.SUCCEEDED, output=next((outputs[name] for name in own.after if name in outputs), None))
    if isinstance(work, TurnsWork):
        given = [outputs[name] for name in own.after if name in outputs]
        return Outcome(NodeState.SUCCEEDED, output=given if work.gives == "all" else given[-1])
    output = _output(own.after, outputs, f"{own.id}.")
    error = _misfit("subgraph", work.output_schema, output)
    return Outcome(NodeState.SUCCEEDED if error is None else NodeState.FAILED, output=output, error=error)


async def _read_inside(documents: Documents, target: Target) -> list[NodeRun]:
    """The nodes from which the outcome of a vertex follows, with the items of maps and rounds of loops."""
    run, graph = target.run, target.graph
    names = [node.id for node in graph.inside[target.node.id]]
    snapshots = await documents.get_many([node_path(run.id, instance_of(name, run.epoch)) for name in names])
    found = [parse(NodeRun, snapshot.fields) for snapshot in snapshots if snapshot.fields is not None]
    for name in names:
        if graph.expands(name):
            found += await read_items(documents, run, name)
    return found


def _failure(graph: PlanGraph, nodes: Sequence[NodeRun]) -> Failure | None:
    """The first failure that the graph does not go on without."""
    failed = unborne(graph, nodes)
    if not failed:
        return None
    first = min(failed, key=lambda node: (node.completed_at or node.created_at, node.instance))
    error = first.error or Failure("internal", "the node failed without a reason")
    return replace(error, message=f"{first.instance}: {error.message}")


def _output(sinks: Sequence[NodeId], outputs: Mapping[NodeId, Any], prefix: str = "") -> Any:
    """The output of a graph: that of its last node, or a map of those of its last nodes."""
    if len(sinks) == 1:
        return outputs.get(sinks[0])
    return {name.removeprefix(prefix): output for name, output in outputs.items()}


def _misfit(what: str, schema: Mapping[str, Any] | None, output: Any) -> Failure | None:
    """That an output does not fit what the agent promises."""
    if schema is None or not (faults := value_faults("output", schema, output)):
        return None
    told = "; ".join(f"{fault.path}: {fault.reason}" for fault in faults)
    return Failure(OutputInvalid.code, f"the {what}'s output does not fit the agent's schema: {told}")
