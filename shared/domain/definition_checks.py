"""Whether what a definition refers to exists: tools and their configuration, nodes, templates.

The checks read the author's own text as far as it has the right form, so that they find what is
wrong besides faults of form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from shared.domain.definitions import MAX_DELEGATION_DEPTH
from shared.domain.errors import Fault
from shared.domain.graph_definitions import (
    AgentNode,
    ApprovalNode,
    BranchNode,
    GraphNode,
    JoinNode,
    LoopNode,
    MapNode,
    ToolNode,
)
from shared.domain.model_specs import ModelSpec
from shared.domain.nodes import FAILED_CASE
from shared.domain.plans import APPROVED, DENIED, OTHERWISE, conditions_of, names_in, predecessors
from shared.domain.suggestions import closest
from shared.domain.templates import malformed, references
from shared.domain.tool_checks import tool_faults

T = TypeVar("T")
_NODE: TypeAdapter[GraphNode] = TypeAdapter(GraphNode)
_LOCAL_MODELS = ("extractive", "scripted")
_RESERVED = ("input", "item", "index")


def check_references(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything in a definition that refers to nothing, or does not fit what it refers to."""
    if raw.get("type") == "graph" and raw.get("graph") is None:
        yield Fault("graph", "is missing: a definition of type 'graph' has one")
    if raw.get("type") != "graph" and raw.get("graph") is not None:
        yield Fault("type", "must be graph, since there is a 'graph'", "graph")
    yield from _delegation_faults(raw)
    yield from _model_faults("model", raw.get("model"))
    yield from tool_faults(raw)
    graph = _fields(_fields(raw).get("graph"))
    yield from _graph_faults(_fields(graph.get("nodes")))
    for name, workflow in _fields(raw.get("workflows")).items():
        yield from _workflow_faults(f"workflows.{name}", workflow)


def _delegation_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    agents = _fields(raw.get("agents"))
    if raw.get("type") == "delegation" and not agents:
        yield Fault("agents", "is missing: a definition of type 'delegation' names the agents that it may ask")
    if raw.get("type") != "delegation" and agents:
        yield Fault("type", "must be delegation, since there are 'agents'", "delegation")
    yield from _sub_agent_faults("agents", agents, MAX_DELEGATION_DEPTH)


def _sub_agent_faults(path: str, agents: Mapping[str, Any], depth: int) -> Iterator[Fault]:
    if agents and depth == 0:
        yield Fault(path, f"agents may stand at most {MAX_DELEGATION_DEPTH} deep below one another")
        return
    for name, raw in agents.items():
        fields = _fields(raw)
        yield from _model_faults(f"{path}.{name}.model", fields.get("model"))
        yield from _sub_agent_faults(f"{path}.{name}.agents", _fields(fields.get("agents")), depth - 1)


def _graph_faults(raw_nodes: Mapping[str, Any]) -> Iterator[Fault]:
    nodes: dict[str, GraphNode] = {}
    for name, raw in raw_nodes.items():
        node = _parsed(_NODE, raw)
        if node is not None:
            nodes[name] = node
    for name, raw in raw_nodes.items():
        path = f"graph.nodes.{name}"
        if name in _RESERVED:
            yield Fault(path, f"'{name}' means something else in templates; choose another name")
        fields = _fields(raw)
        for place, agent in ((path, fields), (f"{path}.body", _fields(fields.get("body")))):
            yield from _model_faults(f"{place}.model", agent.get("model"))
        if name in nodes:
            yield from _node_faults(path, name, nodes[name], raw_nodes)
    yield from _cycle_faults(nodes)


def _node_faults(path: str, name: str, node: GraphNode, names: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _after_faults(f"{path}.after", name, node, names)
    match node:
        case JoinNode():
            yield from _join_faults(path, node)
        case BranchNode():
            yield from _condition_faults(f"{path}.cases", name, node)
        case LoopNode():
            yield from _body_faults(path, name, node.body, names)
            yield from _condition_faults(f"{path}.until", name, node)
        case AgentNode():
            yield from _template_faults(f"{path}.prompt", name, node.prompt, names)
        case ToolNode():
            yield from _tool_node_faults(path, name, node, names)
        case ApprovalNode():
            yield from _template_faults(f"{path}.message", name, node.message, names)
        case MapNode():
            yield from _map_faults(path, name, node, names)


def _after_faults(path: str, name: str, node: GraphNode, names: Mapping[str, Any]) -> Iterator[Fault]:
    for position, reference in enumerate(node.after):
        before, _, case = reference.partition(".")
        if case and before in names and case not in (known := cases_of_raw(names[before])):
            yield Fault(f"{path}.{position}", f"'{before}' has no case '{case}'", closest(case, known))
        if before == name:
            yield Fault(f"{path}.{position}", "a node cannot wait for itself")
        elif before not in names:
            yield Fault(f"{path}.{position}", f"there is no node '{before}'", closest(before, names))


def cases_of_raw(raw: Any) -> tuple[str, ...]:
    """The ways in which a node, as its author wrote it, can end."""
    fields = _fields(raw)
    own: dict[Any, tuple[str, ...]] = {
        "branch": (*_fields(fields.get("cases")), OTHERWISE),
        "approval": (APPROVED, DENIED),
    }
    return (*own.get(fields.get("kind"), ()), FAILED_CASE)


def _map_faults(path: str, name: str, node: MapNode, names: Mapping[str, Any]) -> Iterator[Fault]:
    over = node.over.strip()
    if not (over.startswith("{{") and over.endswith("}}") and over.count("{{") == 1):
        example = next(iter(references(node.over)), "list_files")
        suggestion = f"{{{{ {example}.output }}}}"
        yield Fault(f"{path}.over", "must be one placeholder, which yields a list", suggestion)
    else:
        yield from _template_faults(f"{path}.over", name, node.over, names)
    yield from _body_faults(path, name, node.body, names)


def _join_faults(path: str, node: JoinNode) -> Iterator[Fault]:
    if not node.after:
        yield Fault(f"{path}.after", "a join must name the nodes that it waits for")
    if (node.policy == "quorum") != (node.quorum is not None):
        yield Fault(f"{path}.quorum", "belongs to the policy 'quorum', which needs it")


def _condition_faults(path: str, name: str, node: BranchNode | LoopNode) -> Iterator[Fault]:
    """Only whether a condition refers to its own node: words and functions of CEL look like names too."""
    if name in names_in(conditions_of(node)):
        yield Fault(path, f"'{name}' refers to the node itself")


def _body_faults(path: str, name: str, body: AgentNode | ToolNode, names: Mapping[str, Any]) -> Iterator[Fault]:
    inside = {**names, "item": None, "index": None}
    if body.after:
        yield Fault(f"{path}.body.after", "belongs to the node, not to its body", f"{path}.after")
    if isinstance(body, AgentNode):
        yield from _template_faults(f"{path}.body.prompt", name, body.prompt, inside)
    else:
        yield from _tool_node_faults(f"{path}.body", name, body, inside)


def _tool_node_faults(path: str, name: str, node: ToolNode, names: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _template_faults(f"{path}.arguments", name, node.arguments, names)


def _template_faults(path: str, name: str, template: Any, names: Mapping[str, Any]) -> Iterator[Fault]:
    for placeholder in malformed(template):
        yield Fault(path, f"{placeholder[:100]} is not a path", "{{ node.output }}")
    for root in references(template):
        if root == name:
            yield Fault(path, f"{{{{ {root} }}}} refers to the node itself")
        elif root in _RESERVED and root not in names:
            if root != "input":
                yield Fault(path, f"{{{{ {root} }}}} is defined only in the body of a map")
        elif root not in names:
            known = (*names, "input")
            reason = f"{{{{ {root} }}}} refers to no node and not to the input"
            yield Fault(path, reason, closest(root, known))


def _cycle_faults(nodes: Mapping[str, GraphNode]) -> Iterator[Fault]:
    waits = {
        name: [before for before in predecessors(name, node, dict(nodes)) if before != name]
        for name, node in nodes.items()
    }
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        cycle = " → ".join(reversed(cast("list[str]", error.args[1])))
        yield Fault("graph.nodes", f"the nodes wait for each other: {cycle}")


def _model_faults(path: str, raw: Any) -> Iterator[Fault]:
    model = _parsed(_MODEL, raw)
    if model is None:
        return
    place = path if isinstance(raw, str) else f"{path}.model"
    if model.provider == "local" and model.model not in _LOCAL_MODELS:
        prefix = "local:" if isinstance(raw, str) else ""
        found = closest(model.model, _LOCAL_MODELS) or "extractive"
        yield Fault(place, f"there is no local model '{model.model}'", f"{prefix}{found}")
    if model.provider == "default" and model.model != "default":
        yield Fault(place, "the deployment's own choice has no other name", "default")
    if model.script and (model.provider, model.model) != ("local", "scripted"):
        yield Fault(f"{path}.script", "only local:scripted plays a script")
    for place, fallback in enumerate(_items(_fields(raw).get("fallbacks"))):
        yield from _model_faults(f"{path}.fallbacks.{place}", fallback)


def _workflow_faults(path: str, raw: Any) -> Iterator[Fault]:
    for placeholder in malformed(raw):
        yield Fault(path, f"{placeholder[:100]} is not a path", "{{ search_results }}")


_MODEL = TypeAdapter(ModelSpec)


def _parsed(kind: TypeAdapter[T], raw: Any) -> T | None:
    """The value of the right form, or None: what is wrong with the form is told elsewhere."""
    try:
        return kind.validate_python(raw)
    except ValidationError:
        return None


def _fields(raw: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", raw) if isinstance(raw, dict) else {}


def _items(raw: Any) -> list[Any]:
    return cast("list[Any]", raw) if isinstance(raw, list) else []
