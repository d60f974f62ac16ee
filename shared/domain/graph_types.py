"""What is known of the values in a graph before it runs, and whether templates and conditions fit that.

Types are JSON Schemas, of which `type`, `properties` and `items` say something here; where nothing is known nothing is
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from shared.domain.errors import Fault
from shared.domain.graph_definitions import (
    AgentNode,
    ApprovalNode,
    BranchNode,
    GraphNode,
    JoinNode,
    LoopNode,
    MapNode,
    SubgraphNode,
    ToolNode,
)
from shared.domain.node_references import predecessors
from shared.domain.suggestions import closest
from shared.domain.templates import paths

Schema: TypeAlias = Mapping[str, Any]
ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
_WHOLE = re.compile(r"\s*\{\{[^{}]*\}\}\s*")
_WORDS = {"string": "text", "array": "a list", "boolean": "true or false", "null": "null"}
_HIDDEN = ("$ref", "anyOf", "oneOf", "allOf", "if", "not")


def closed(**properties: Schema) -> Schema:
    """An object with these properties and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def at(schema: Schema, steps: Sequence[str]) -> Schema | str:
    """The type at the end of a path, or why there can be nothing."""
    for step in steps:
        kind = schema.get("type")
        if not isinstance(kind, str) or any(key in schema for key in _HIDDEN):
            return ANYTHING
        found = _inside(schema, kind, step)
        if isinstance(found, str):
            return found
        schema = found
    return schema


def _inside(schema: Schema, kind: str, step: str) -> Schema | str:
    if kind == "array":
        return _schema(schema.get("items")) if step.isdigit() else "is a list: choose with [0]"
    if kind != "object":
        return f"is {_WORDS.get(kind, 'a number')}, and has no '{step}'"
    properties = cast("Mapping[str, Any]", schema.get("properties", {}))
    if step in properties:
        return _schema(properties[step])
    if schema.get("additionalProperties") is not False:
        return ANYTHING
    known = closest(step, properties)
    return f"has no '{step}'" + (f"; did you mean '{known}'?" if known else "")


def _schema(value: Any) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else ANYTHING


def type_of(node: GraphNode) -> Schema:
    """The type of what a node gives."""
    match node:
        case JoinNode():
            return TEXT if node.reducer == "text" else {"type": "array"}
        case BranchNode():
            return closed(case=TEXT)
        case ApprovalNode():
            return closed(approved={"type": "boolean"}, reason=ANYTHING)
        case MapNode():
            return {"type": "array", "items": type_of(node.body)}
        case AgentNode() | ToolNode() | SubgraphNode() | LoopNode():
            own = _type_of_step(node)
            return own if node.fallback is None or type_of(node.fallback) == own else ANYTHING


def _type_of_step(node: AgentNode | ToolNode | SubgraphNode | LoopNode) -> Schema:
    match node:
        case AgentNode():
            return TEXT if node.agent is None else ANYTHING
        case LoopNode():
            return type_of(node.body)
        case SubgraphNode():
            nodes = node.graph.nodes
            waited_for = {before for name, one in nodes.items() for before in predecessors(name, one, nodes)}
            last = [name for name in nodes if name not in waited_for]
            return (
                type_of(nodes[last[0]]) if len(last) == 1 else closed(**{name: type_of(nodes[name]) for name in last})
            )
        case ToolNode():
            return ANYTHING


@dataclass(frozen=True, slots=True)
class Condition:
    """A CEL condition in a graph, where it stands, and the types of what it may refer to."""

    path: str
    text: str
    scope: Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of a graph at a path, and the type of its input."""

    path: str
    nodes: Mapping[str, GraphNode]
    given: Schema

    @property
    def scope(self) -> dict[str, Schema]:
        """The types of what templates begin with."""
        outputs = {name: closed(output=type_of(node)) for name, node in self.nodes.items()}
        return {**outputs, "input": self.given}

    def type_faults(self) -> Iterator[Fault]:
        """Templates that lead to nothing, or to what is no list where one is needed."""
        for name, node in self.nodes.items():
            yield from _node_faults(f"{self.path}.{name}", node, self.scope)

    def levels(self) -> Iterator[Level]:
        """This graph, and those in it."""
        yield self
        for name, node in self.nodes.items():
            path = f"{self.path}.{name}"
            if isinstance(node, MapNode | LoopNode) and isinstance(node.body, SubgraphNode):
                yield from _within(f"{path}.body", node.body, _in_body(node, self.scope))
            for place, part in _steps(path, node):
                if isinstance(part, SubgraphNode):
                    yield from _within(place, part, self.scope)

    def conditions(self) -> Iterator[Condition]:
        """The conditions of this graph's own nodes."""
        for name, node in self.nodes.items():
            path = f"{self.path}.{name}"
            if isinstance(node, BranchNode):
                for case, text in node.cases.items():
                    yield Condition(f"{path}.cases.{case}", text, self.scope)
            if isinstance(node, LoopNode):
                own = {"input": self.given, "output": type_of(node.body), "index": {"type": "integer"}}
                yield Condition(f"{path}.until", node.until, own | {"item": type_of(node.body)})


def _within(path: str, node: SubgraphNode, scope: Mapping[str, Schema]) -> Iterator[Level]:
    """The graph of a subgraph at a path, and those in it."""
    yield from Level(f"{path}.graph.nodes", node.graph.nodes, _given(node.input, scope)).levels()


def _in_body(node: MapNode | LoopNode, scope: Mapping[str, Schema]) -> dict[str, Schema]:
    """The types of what the templates of a body begin with."""
    item = _schema(_value(node.over, scope).get("items")) if isinstance(node, MapNode) else ANYTHING
    return {**scope, "item": item, "index": {"type": "integer"}}


def top_level(nodes: Mapping[str, GraphNode], input_schema: Schema | None) -> Level:
    """The graph of a definition; its input has what the schema names, and nothing else."""
    if input_schema is None or "properties" not in input_schema:
        return Level("graph.nodes", nodes, ANYTHING)
    return Level("graph.nodes", nodes, {**input_schema, "additionalProperties": False})


def _steps(path: str, node: GraphNode) -> Iterator[tuple[str, AgentNode | ToolNode | SubgraphNode]]:
    """A node and its fallbacks, as far as they do something themselves."""
    if isinstance(node, AgentNode | ToolNode | SubgraphNode):
        yield path, node
    fallback = node.fallback if isinstance(node, AgentNode | ToolNode | SubgraphNode | LoopNode) else None
    if fallback is not None:
        yield from _steps(f"{path}.fallback", fallback)


def _node_faults(path: str, node: GraphNode, scope: Mapping[str, Schema]) -> Iterator[Fault]:
    if isinstance(node, MapNode):
        yield from _template_faults(f"{path}.over", node.over, scope)
        over = _value(node.over, scope)
        if over.get("type", "array") != "array":
            yield Fault(f"{path}.over", "yields no list")
    if isinstance(node, MapNode | LoopNode):
        yield from _step_faults(f"{path}.body", node.body, _in_body(node, scope))
    if isinstance(node, ApprovalNode):
        yield from _template_faults(f"{path}.message", node.message, scope)
    for place, step in _steps(path, node):
        yield from _step_faults(place, step, scope)


def _step_faults(path: str, step: AgentNode | ToolNode | SubgraphNode, scope: Mapping[str, Schema]) -> Iterator[Fault]:
    match step:
        case ToolNode():
            yield from _template_faults(f"{path}.arguments", step.arguments, scope)
        case AgentNode():
            yield from _template_faults(f"{path}.prompt", step.prompt, scope)
            yield from _template_faults(f"{path}.input", step.input, scope)
        case SubgraphNode():
            yield from _template_faults(f"{path}.input", step.input, scope)


def _template_faults(path: str, template: Any, scope: Mapping[str, Schema]) -> Iterator[Fault]:
    for root, *steps in paths(template):
        yield from path_faults(path, root, steps, scope)


def path_faults(path: str, root: str, steps: Sequence[str], scope: Mapping[str, Schema]) -> Iterator[Fault]:
    """That a path leads to nothing, as far as that is known; names that are not known are told elsewhere."""
    for count in range(len(steps) if root in scope else 0):
        reason = at(scope[root], steps[: count + 1])
        if isinstance(reason, str):
            yield Fault(path, f"'{'.'.join((root, *steps[:count]))}' {reason}")
            return


def _value(template: Any, scope: Mapping[str, Schema]) -> Schema:
    """The type of what a template yields."""
    if isinstance(template, str) and not _WHOLE.fullmatch(template):
        return TEXT
    if isinstance(template, str):
        root, *steps = next(iter(paths(template)), ("",))
        found = at(scope[root], steps) if root in scope else ANYTHING
        return ANYTHING if isinstance(found, str) else found
    if isinstance(template, dict):
        parts = cast("Mapping[str, Any]", template)
        return closed(**{key: _value(part, scope) for key, part in parts.items()})
    return {"type": "array"} if isinstance(template, list) else ANYTHING


def _given(template: Any, scope: Mapping[str, Schema]) -> Schema:
    """The type of a subgraph's input; text is an object with it."""
    value = _value(template, scope)
    return closed(text=TEXT) if value.get("type") == "string" else value
