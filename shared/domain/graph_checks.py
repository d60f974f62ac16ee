"""Whether the nodes of a graph fit together: what they wait for, and what their templates refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from shared.domain.errors import Fault, retryable_codes
from shared.domain.graph_definitions import (
    MAX_DEPTH,
    AgentNode,
    ApprovalNode,
    Body,
    BranchNode,
    Fallback,
    GraphNode,
    JoinNode,
    LoopNode,
    MapNode,
    SubgraphNode,
    ToolNode,
)
from shared.domain.model_checks import model_faults
from shared.domain.node_references import conditions_of, names_in, predecessors, templates_of
from shared.domain.nodes import FAILED_CASE
from shared.domain.plans import APPROVED, DENIED, OTHERWISE
from shared.domain.suggestions import closest
from shared.domain.templates import malformed, references
from shared.domain.written_definitions import fields_of

_NODE: TypeAdapter[GraphNode] = TypeAdapter(GraphNode)
_OF_ITEMS = ("item", "index")
_RESERVED = ("input", *_OF_ITEMS)
_NO_CASES = frozenset({OTHERWISE, FAILED_CASE})


@dataclass(frozen=True, slots=True)
class _Names:
    """The nodes of a graph, as their author wrote them, and those outside of it, which its nodes do not see."""

    nodes: Mapping[str, Any]
    outside: frozenset[str] = frozenset()
    in_body: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        """What templates may begin with."""
        return (*self.nodes, "input", *(_OF_ITEMS if self.in_body else ()))


def graph_faults(
    path: str, raw_nodes: Mapping[str, Any], outside: frozenset[str] = frozenset(), depth: int = 1
) -> Iterator[Fault]:
    """Everything that is wrong with the nodes of a graph at `path`, and of those in it."""
    if depth > MAX_DEPTH:
        yield Fault(path, f"graphs may stand at most {MAX_DEPTH} deep within one another")
        return
    nodes: dict[str, GraphNode] = {}
    names = _Names(raw_nodes, outside - raw_nodes.keys())
    for name, raw in raw_nodes.items():
        node = _parsed(raw)
        if node is not None:
            nodes[name] = node
    for name, raw in raw_nodes.items():
        place = f"{path}.{name}"
        if name in _RESERVED:
            yield Fault(place, f"'{name}' means something else in templates; choose another name")
        for part_path, part in _raw_parts(place, fields_of(raw)):
            yield from _part_faults(part_path, part, outside | raw_nodes.keys(), depth)
        if name in nodes:
            yield from _after_faults(f"{place}.after", name, nodes[name], raw_nodes)
            yield from _retry_faults(f"{place}.retry.on", nodes[name])
            yield from _node_faults(place, name, nodes[name], names)
    yield from _cycle_faults(path, nodes)


def _part_faults(path: str, part: Mapping[str, Any], outside: frozenset[str], depth: int) -> Iterator[Fault]:
    yield from model_faults(f"{path}.model", part.get("model"))
    yield from _agent_faults(path, part)
    if part.get("kind") == "subgraph":
        nodes = fields_of(fields_of(part.get("graph")).get("nodes"))
        yield from graph_faults(f"{path}.graph.nodes", nodes, outside, depth + 1)


def _raw_parts(path: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A node, its body and its fallbacks, as their author wrote them."""
    yield path, fields
    for key in ("body", "fallback"):
        if isinstance(fields.get(key), dict):
            yield from _raw_parts(f"{path}.{key}", fields_of(fields[key]))


def _agent_faults(path: str, fields: Mapping[str, Any]) -> Iterator[Fault]:
    """Whether a node has either an agent of its own or a kept one."""
    if fields.get("kind") != "agent":
        return
    if fields.get("agent") is None:
        if "prompt" not in fields:
            yield Fault(f"{path}.prompt", "is missing, unless 'agent' names one that is kept on its own")
        if fields.get("input") is not None:
            yield Fault(f"{path}.input", "is for an agent that is kept on its own", "prompt")
        return
    for key in ("prompt", "model", "system_prompt", "tools"):
        if fields.get(key) is not None:
            yield Fault(f"{path}.{key}", "does not go with 'agent', which brings its own", "input")


def _node_faults(path: str, name: str, node: GraphNode, names: _Names) -> Iterator[Fault]:
    match node:
        case JoinNode():
            yield from _join_faults(path, node, names)
        case BranchNode():
            yield from _condition_faults(f"{path}.cases", name, node)
            yield from _case_faults(f"{path}.cases", name, node)
        case LoopNode():
            yield from _body_faults(path, name, node.body, names)
            yield from _condition_faults(f"{path}.until", name, node)
            yield from _fallback_faults(path, name, node.fallback, names)
        case ApprovalNode():
            yield from _template_faults(f"{path}.message", name, node.message, names)
            yield from _asked_faults(f"{path}.asked", node)
        case MapNode():
            yield from _map_faults(path, name, node, names)
        case _:
            yield from _step_faults(path, name, node, names)


def _step_faults(path: str, name: str, node: AgentNode | ToolNode | SubgraphNode, names: _Names) -> Iterator[Fault]:
    match node:
        case AgentNode():
            key = "prompt" if node.agent is None else "input"
            yield from _template_faults(f"{path}.{key}", name, templates_of(node)[0], names)
        case ToolNode():
            yield from _template_faults(f"{path}.arguments", name, node.arguments, names)
        case SubgraphNode():
            yield from _template_faults(f"{path}.input", name, node.input, names)
    yield from _fallback_faults(path, name, node.fallback, names)


def _fallback_faults(path: str, name: str, fallback: Fallback | None, names: _Names) -> Iterator[Fault]:
    if fallback is None:
        return
    if fallback.after:
        yield Fault(f"{path}.fallback.after", "belongs to the node, not to its fallback", f"{path}.after")
    yield from _step_faults(f"{path}.fallback", name, fallback, names)


def _after_faults(path: str, name: str, node: GraphNode, names: Mapping[str, Any]) -> Iterator[Fault]:
    for position, reference in enumerate(node.after):
        before, _, case = reference.partition(".")
        if case and before in names and case not in (known := _cases_of(names[before])):
            yield Fault(f"{path}.{position}", f"'{before}' has no case '{case}'", closest(case, known))
        if before == name:
            yield Fault(f"{path}.{position}", "a node cannot wait for itself")
        elif before not in names:
            yield Fault(f"{path}.{position}", f"there is no node '{before}'", closest(before, names))


def _cases_of(raw: Any) -> tuple[str, ...]:
    """The ways in which a node, as its author wrote it, can end."""
    fields = fields_of(raw)
    own: dict[Any, tuple[str, ...]] = {
        "branch": (*fields_of(fields.get("cases")), OTHERWISE),
        "approval": (APPROVED, DENIED),
    }
    return (*own.get(fields.get("kind"), ()), FAILED_CASE)


def _case_faults(path: str, name: str, node: BranchNode) -> Iterator[Fault]:
    for case in sorted(_NO_CASES & node.cases.keys()):
        yield Fault(f"{path}.{case}", f"'{name}.{case}' means something else; choose another name")


def _asked_faults(path: str, node: ApprovalNode) -> Iterator[Fault]:
    for position, uid in enumerate(node.asked):
        if references(uid):
            yield Fault(f"{path}.{position}", "must be the id of a person; nothing is filled in here")


def _retry_faults(path: str, node: GraphNode) -> Iterator[Fault]:
    """Whether there are the errors after which a node is to be tried again."""
    named = () if isinstance(node, SubgraphNode) else node.retry.on or ()
    for position, code in enumerate(named):
        if code not in (known := retryable_codes()):
            reason = f"is no error after which trying again may help; there are {', '.join(known)}"
            yield Fault(f"{path}.{position}", reason, closest(code, known))


def _map_faults(path: str, name: str, node: MapNode, names: _Names) -> Iterator[Fault]:
    over = node.over.strip()
    if not (over.startswith("{{") and over.endswith("}}") and over.count("{{") == 1):
        example = next(iter(references(node.over)), "list_files")
        suggestion = f"{{{{ {example}.output }}}}"
        yield Fault(f"{path}.over", "must be one placeholder, which yields a list", suggestion)
    else:
        yield from _template_faults(f"{path}.over", name, node.over, names)
    yield from _body_faults(path, name, node.body, names)


def _join_faults(path: str, node: JoinNode, names: _Names) -> Iterator[Fault]:
    if not node.after:
        yield Fault(f"{path}.after", "a join must name the nodes that it waits for")
    if (node.policy == "quorum") != (node.quorum is not None):
        yield Fault(f"{path}.quorum", "belongs to the policy 'quorum', which needs it")
    kinds = [fields_of(names.nodes.get(before.partition(".")[0])).get("kind") for before in node.after]
    if node.after and node.quorum is not None and node.quorum > len(kinds) and "map" not in kinds:
        yield Fault(f"{path}.quorum", f"is more than the {len(kinds)} that it waits for", str(len(kinds)))


def _condition_faults(path: str, name: str, node: BranchNode | LoopNode) -> Iterator[Fault]:
    """Only whether a condition refers to its own node: words and functions of CEL look like names too."""
    if name in names_in(conditions_of(node)):
        yield Fault(path, f"'{name}' refers to the node itself")


def _body_faults(path: str, name: str, body: Body, names: _Names) -> Iterator[Fault]:
    for key in ("after", "retry", "timeout_seconds"):
        if key in body.model_fields_set and getattr(body, key):
            yield Fault(f"{path}.body.{key}", "belongs to the node, not to its body", f"{path}.{key}")
    if body.fallback is not None:
        yield Fault(f"{path}.body.fallback", "is not for the body of a map or a loop")
    yield from _step_faults(f"{path}.body", name, body, replace(names, in_body=True))


def _template_faults(path: str, name: str, template: Any, names: _Names) -> Iterator[Fault]:
    for placeholder in malformed(template):
        yield Fault(path, f"{placeholder[:100]} is not a path", "{{ node.output }}")
    for root in references(template):
        if root == name:
            yield Fault(path, f"{{{{ {root} }}}} refers to the node itself")
        elif root in _OF_ITEMS and root not in names.known:
            yield Fault(path, f"{{{{ {root} }}}} is defined only in the body of a map or a loop")
        elif root in names.outside:
            reason = f"{{{{ {root} }}}} stands outside of this subgraph, whose nodes see only its 'input'"
            yield Fault(path, reason, f"{{{{ input.{root} }}}}")
        elif root not in names.known:
            reason = f"{{{{ {root} }}}} refers to no node and not to the input"
            yield Fault(path, reason, closest(root, names.known))


def _cycle_faults(path: str, nodes: Mapping[str, GraphNode]) -> Iterator[Fault]:
    waits = {
        name: [before for before in predecessors(name, node, nodes) if before != name] for name, node in nodes.items()
    }
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        cycle = " → ".join(reversed(cast("list[str]", error.args[1])))
        yield Fault(path, f"the nodes wait for each other: {cycle}")


def _parsed(raw: Any) -> GraphNode | None:
    """The node of the right form, or None: what is wrong with the form is told elsewhere."""
    try:
        return _NODE.validate_python(raw)
    except ValidationError:
        return None
