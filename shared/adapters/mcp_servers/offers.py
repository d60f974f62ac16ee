"""What an MCP server says it has, made into tools that a model can be shown: nothing of it is taken on trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from shared.domain.definition_schemas import KEYWORDS, schema_faults
from shared.domain.errors import FailedPrecondition
from shared.domain.tool_definitions import McpServer, McpTool
from shared.domain.tools import Effect, Risk, ToolSpec

if TYPE_CHECKING:
    from mcp_types import Tool as ServersTool

MAX_TOOLS = 100
"""Of one server; more would leave a model no room to think."""
MAX_DESCRIPTION = 4000
_MAPS_OF_SCHEMAS = frozenset({"properties", "$defs", "dependentSchemas"})
_LISTS_OF_SCHEMAS = frozenset({"prefixItems", "allOf", "anyOf", "oneOf"})
_SCHEMAS = frozenset({"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"})
_DEPTH = 40


def offered_tools(server: McpServer, found: Sequence[ServersTool]) -> dict[str, ToolSpec]:
    """The tools of a server that the definition chooses, by the server's names.

    Raises:
        FailedPrecondition: a chosen tool is missing or described in a way that cannot be used, two would have the same
            name, or there are too many to take all.
    """
    by_name = {tool.name: tool for tool in found}
    chosen = server.tools if server.tools is not None else _all(server, found)
    missing = [tool.name for tool in chosen if tool.name not in by_name]
    if missing:
        there = ", ".join(list(by_name)[:20]) or "nothing"
        raise FailedPrecondition(
            f"The MCP server {server.name} has no tool {', '.join(missing)[:200]}; it has {there}."
        )
    specs: dict[str, ToolSpec] = {}
    for tool in chosen:
        spec = _spec(server, tool, by_name[tool.name])
        if spec is None and server.tools is not None:
            raise FailedPrecondition(f"The MCP server {server.name} describes its tool {tool.name[:100]} wrongly.")
        if spec is not None:
            specs[tool.name] = spec
    names = [spec.name for spec in specs.values()]
    if len(set(names)) < len(names):
        raise FailedPrecondition(f"Two tools of the MCP server {server.name} would have the same name.")
    return specs


def _all(server: McpServer, found: Sequence[ServersTool]) -> list[McpTool]:
    if len(found) > MAX_TOOLS:
        raise FailedPrecondition(f"The MCP server {server.name} has {len(found)} tools; choose some with 'tools'.")
    return [McpTool(name=tool.name) for tool in found if 0 < len(tool.name) <= 128]  # noqa: PLR2004 - as in McpTool


def _spec(server: McpServer, chosen: McpTool, tool: ServersTool) -> ToolSpec | None:
    """The tool for a model, or None where its schema cannot be used."""
    schema = _known_parts(tool.input_schema, _DEPTH)
    schema = {"properties": {}, **schema, "type": schema.get("type", "object")} if isinstance(schema, dict) else None
    if schema is None or schema_faults("", schema):
        return None
    description = (tool.description or tool.title or tool.name)[:MAX_DESCRIPTION]
    effect = chosen.effect or _effect(tool)
    return ToolSpec(server.offered_name(tool.name), description, effect, schema, risk=Risk.REACHES_OUT)


def _effect(tool: ServersTool) -> Effect:
    """What the server says that a repeated call does. If it lies, what happens twice happens to itself."""
    hints = tool.annotations
    if hints is not None and hints.read_only_hint:
        return Effect.NONE
    return Effect.IDEMPOTENT if hints is not None and hints.idempotent_hint else Effect.ONCE


def _known_parts(schema: Any, depth: int) -> Any:
    """A schema without the keywords that are not understood here, which only weakens it."""
    if not isinstance(schema, dict) or depth == 0:
        return schema
    return {
        key: _known_value(key, value, depth - 1)
        for key, value in cast("Mapping[str, Any]", schema).items()
        if key in KEYWORDS
    }


def _known_value(key: str, value: Any, depth: int) -> Any:
    if key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
        return {name: _known_parts(part, depth) for name, part in cast("Mapping[str, Any]", value).items()}
    if key in _LISTS_OF_SCHEMAS and isinstance(value, list):
        return [_known_parts(part, depth) for part in cast("list[Any]", value)]
    return _known_parts(value, depth) if key in _SCHEMAS else value
