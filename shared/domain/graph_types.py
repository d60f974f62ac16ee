"""What is known of the values in a graph before it runs, and whether templates and conditions fit that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from shared.domain.errors import Fault
from shared.domain.graph_definitions import (
    AgentNode,
    AgentReference,
    ApprovalNode,
    BranchNode,
    GraphNode,
    JoinNode,
    LoopNode,
    MapNode,
    SubgraphNode,
    ToolNode,
    fallback_of,
)
from shared.domain.kept_agents import KeptAgent, KeptAgents
from shared.domain.node_references import input_of, predecessors
from shared.domain.suggestions import closest
from shared.domain.template_types import Fit, path_faults, template_faults, value_of
from shared.domain.templates import paths, references
from shared.domain.tool_specs import BUILT_IN
from shared.domain.value_types import (
    ANYTHING,
    TEXT,
    Schema,
    closed,
    is_a,
    item_of,
    kinds,
    named,
    part_of,
    properties_of,
    unnamed,
)

LIST: Schema = {"type": "array"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a graph refers to outside of it.

    Args:
        http_tools: the arguments of its definition's own tools, by their names.
        kept: the agents that it runs, as far as they are found.
    """

    http_tools: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    kept: KeptAgents = field(default_factory=dict[AgentReference, KeptAgent])


def type_of(node: GraphNode, kept: KeptAgents) -> Schema:
    """The type of what a node gives."""
    match node:
        case JoinNode():
            return TEXT if node.reducer == "text" else LIST
        case BranchNode():
            return closed(case=TEXT)
        case ApprovalNode():
            return closed(approved={"type": "boolean"}, reason=ANYTHING)
        case MapNode():
            return {"type": "array", "items": type_of(node.body, kept)}
        case AgentNode() | ToolNode() | SubgraphNode() | LoopNode():
            own = _type_of_step(node, kept)
            return own if node.fallback is None or type_of(node.fallback, kept) == own else ANYTHING


def _type_of_step(node: AgentNode | ToolNode | SubgraphNode | LoopNode, kept: KeptAgents) -> Schema:
    match node:
        case AgentNode():
            return TEXT if node.agent is None else _type_of_kept(node.agent, kept)
        case LoopNode():
            return type_of(node.body, kept)
        case SubgraphNode():
            return _type_of_graph(node.graph.nodes, kept)
        case ToolNode():
            return ANYTHING


def _type_of_kept(reference: AgentReference, kept: KeptAgents) -> Schema:
    """The type of what a kept agent gives: what its schema says of it, else text or what its graph gives."""
    if reference not in kept:
        return ANYTHING
    definition = kept[reference].definition
    if definition.output_schema is not None:
        return definition.output_schema
    return TEXT if definition.graph is None else _type_of_graph(definition.graph.nodes, kept)


def _last_of(nodes: Mapping[str, GraphNode]) -> list[str]:
    """The nodes for which no other one waits."""
    waited_for = {before for name, one in nodes.items() for before in predecessors(name, one, nodes)}
    return [name for name in nodes if name not in waited_for]


def _type_of_graph(nodes: Mapping[str, GraphNode], kept: KeptAgents) -> Schema:
    """The type of what the last nodes of a graph give; those that are skipped give nothing."""
    last = _last_of(nodes)
    if len(last) == 1:
        return type_of(nodes[last[0]], kept)
    return {**closed(**{name: type_of(nodes[name], kept) for name in last}), "required": []}


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
    around: Surroundings = field(default_factory=Surroundings)

    @property
    def scope(self) -> dict[str, Schema]:
        """The types of what templates begin with."""
        outputs = {name: closed(output=type_of(node, self.around.kept)) for name, node in self.nodes.items()}
        return {**outputs, "input": self.given}

    def type_faults(self) -> Iterator[Fault]:
        """Templates that lead to nothing, or to what is of another type than is needed there."""
        scope = self.scope
        for name, node in self.nodes.items():
            yield from _node_faults(f"{self.path}.{name}", node, scope, self.around)

    def output_faults(self, schema: Schema) -> Iterator[Fault]:
        """That what the last nodes give never fits what is promised of the graph's output."""
        last = _last_of(self.nodes)
        outputs = {name: f"{{{{ {name}.output }}}}" for name in last}
        whole = outputs[last[0]] if len(last) == 1 else outputs
        for fault in Fit(self.scope).faults("output_schema", whole, schema) if last else ():
            yield replace(fault, suggestion="other nodes at the end, such as a kept agent with this output_schema")

    def levels(self) -> Iterator[Level]:
        """This graph, and those in it."""
        yield self
        scope = self.scope
        for name, node in self.nodes.items():
            path = f"{self.path}.{name}"
            if isinstance(node, MapNode | LoopNode) and isinstance(node.body, SubgraphNode):
                yield from self._within(f"{path}.body", node.body, _in_body(node, scope))
            for place, part in _steps(path, node):
                if isinstance(part, SubgraphNode):
                    yield from self._within(place, part, scope)

    def _within(self, path: str, node: SubgraphNode, scope: Mapping[str, Schema]) -> Iterator[Level]:
        """The graph of a subgraph at a path, and those in it."""
        given = _given(value_of(node.input, scope))
        yield from Level(f"{path}.graph.nodes", node.graph.nodes, given, self.around).levels()

    def conditions(self) -> Iterator[Condition]:
        """The conditions of this graph's own nodes."""
        scope = self.scope
        for name, node in self.nodes.items():
            path = f"{self.path}.{name}"
            if isinstance(node, BranchNode):
                for case, text in node.cases.items():
                    yield Condition(f"{path}.cases.{case}", text, scope)
            if isinstance(node, LoopNode):
                given = type_of(node.body, self.around.kept)
                own = {"input": self.given, "output": given, "index": {"type": "integer"}, "item": given}
                yield Condition(f"{path}.until", node.until, own)


def top_level(nodes: Mapping[str, GraphNode], input_schema: Schema | None, around: Surroundings) -> Level:
    """The graph of a definition; its templates refer to what the schema of its input names, and to nothing else."""
    return Level("graph.nodes", nodes, ANYTHING if input_schema is None else named(input_schema), around)


def _in_body(node: MapNode | LoopNode, scope: Mapping[str, Schema]) -> dict[str, Schema]:
    """The types of what the templates of a body begin with."""
    item = item_of(value_of(node.over, scope)) if isinstance(node, MapNode) else ANYTHING
    return {**scope, "item": item, "index": {"type": "integer"}}


def _given(value: Schema) -> Schema:
    """What is seen as the input of what is given a value; text is an object with it."""
    return closed(text=TEXT) if is_a("string", value) else value


def _steps(path: str, node: GraphNode) -> Iterator[tuple[str, AgentNode | ToolNode | SubgraphNode]]:
    """A node and its fallbacks, as far as they do something themselves."""
    if isinstance(node, AgentNode | ToolNode | SubgraphNode):
        yield path, node
    if (fallback := fallback_of(node)) is not None:
        yield from _steps(f"{path}.fallback", fallback)


def _node_faults(path: str, node: GraphNode, scope: Mapping[str, Schema], around: Surroundings) -> Iterator[Fault]:
    if isinstance(node, MapNode):
        yield from template_faults(f"{path}.over", node.over, scope)
        yield from Fit(scope).faults(f"{path}.over", node.over, LIST)
    if isinstance(node, MapNode | LoopNode):
        yield from _step_faults(f"{path}.body", node.body, _in_body(node, scope), around)
    if isinstance(node, ApprovalNode):
        yield from template_faults(f"{path}.message", node.message, scope)
    for place, step in _steps(path, node):
        yield from _step_faults(place, step, scope, around)


def _step_faults(
    path: str, step: AgentNode | ToolNode | SubgraphNode, scope: Mapping[str, Schema], around: Surroundings
) -> Iterator[Fault]:
    match step:
        case ToolNode():
            yield from template_faults(f"{path}.arguments", step.arguments, scope)
            yield from _argument_faults(f"{path}.arguments", step, scope, around)
        case AgentNode():
            yield from template_faults(f"{path}.prompt", step.prompt, scope)
            yield from template_faults(f"{path}.input", step.input, scope)
            if step.agent is not None and step.agent in around.kept:
                yield from _input_faults(f"{path}.input", step, around.kept[step.agent], scope)
        case SubgraphNode():
            yield from template_faults(f"{path}.input", step.input, scope)


def _argument_faults(path: str, node: ToolNode, scope: Mapping[str, Schema], around: Surroundings) -> Iterator[Fault]:
    """Arguments of a tool that are of another type than it takes; those without placeholders are judged elsewhere."""
    lenient = node.tool in BUILT_IN
    wanted = BUILT_IN[node.tool].arguments_schema if lenient else around.http_tools.get(node.tool, ANYTHING)
    for name, template in node.arguments.items():
        expected = part_of(wanted, name) if references(template) else ANYTHING
        if expected is None:
            yield Fault(f"{path}.{name}", "is not an argument", closest(name, properties_of(wanted)))
        else:
            may_be_null = lenient and name not in wanted.get("required", ()) and "default" not in expected
            yield from Fit(scope, lenient).faults(
                f"{path}.{name}", template, _or_null(expected) if may_be_null else expected
            )


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [*kinds(schema), "null"]} if "type" in schema else schema


def _input_faults(path: str, node: AgentNode, kept: KeptAgent, scope: Mapping[str, Schema]) -> Iterator[Fault]:
    """What a kept agent is given, against its `input_schema`, or against what its prompt refers to."""
    template, definition = input_of(node), kept.definition
    given = value_of(template, scope)
    if definition.input_schema is not None:
        whole = {"text": template} if is_a("string", given) else template
        yield from Fit(scope).faults(path, whole, _taken(definition.input_schema))
    elif definition.graph is None:
        for root, *steps in paths(definition.prompt):
            for fault in path_faults(path, root, steps, {"input": unnamed(_given(given))}):
                reason = f"is read by the agent's prompt as {{{{ {'.'.join((root, *steps))} }}}}, and {fault.reason}"
                yield Fault(path, reason, "what the prompt refers to")


def _taken(schema: Schema) -> Schema:
    """What a kept agent takes: text too, and its schema's defaults are put where something is missing."""
    needed = [name for name in schema.get("required", ()) if "default" not in (part_of(schema, name) or ANYTHING)]
    return {**schema, "type": ["string", "object"], "required": needed}
