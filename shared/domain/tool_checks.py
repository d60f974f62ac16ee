"""Whether the tools that a definition lists, calls and brings are there, and right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.domain.definition_schemas import schema_faults, value_faults
from shared.domain.egress import EgressPolicy, check_url
from shared.domain.errors import EgressRefused, Fault
from shared.domain.http_requests import IN_PATH, ORIGIN, WITH_BODY, used_arguments
from shared.domain.suggestions import closest, plain
from shared.domain.templates import references
from shared.domain.tool_definitions import HttpTool, McpServer, ToolUse
from shared.domain.tool_specs import ASKING, BUILT_IN, argument_faults, config_faults
from shared.domain.written_definitions import fields_of, items_of, parts_in

T = TypeVar("T")
_USE = TypeAdapter(ToolUse)
_HTTP = TypeAdapter(HttpTool)
_MCP = TypeAdapter(McpServer)
_EXAMPLE = "x"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# What the HTTP client says itself, or what concerns one connection only.
_RESERVED_HEADERS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "upgrade"}
) | {
    "accept-encoding",
    "transfer-encoding",
}


@dataclass(frozen=True, slots=True)
class OwnTools:
    """What a definition brings: its HTTP tools, as far as they have the right form, and its servers, by their names."""

    http: Mapping[str, HttpTool | None]
    servers: Mapping[str, McpServer | None]

    @property
    def names(self) -> tuple[str, ...]:
        """What an agent may list."""
        return (*BUILT_IN, *self.http, *self.servers)

    def has(self, tool: str) -> bool:
        """Whether a node can call a tool of this name."""
        return tool in BUILT_IN or tool in self.http or self.server_of(tool) is not None

    def server_of(self, tool: str) -> McpServer | None:
        """A server that may have a tool of this name."""
        return next((one for one in self.servers.values() if one is not None and one.may_offer(tool)), None)


def tool_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything that is wrong with the tools of a definition."""
    own = own_tools(raw)
    yield from _own_tool_faults(raw)
    for path, fields in parts_in("", raw):
        yield from _tool_list_faults(f"{path}tools", fields.get("tools"), own)
        for name in fields_of(fields.get("agents")):
            if f"{ASKING}{name}" in BUILT_IN:
                reason = f"would be asked as '{ASKING}{name}', which is a built-in tool; choose another name"
                yield Fault(f"{path}agents.{name}", reason)
        if fields.get("kind") == "tool" and isinstance(fields.get("tool"), str):
            yield from _tool_node_faults(path.removesuffix("."), fields["tool"], fields, own)
    for name, workflow in fields_of(raw.get("workflows")).items():
        for position, step in enumerate(items_of(fields_of(workflow).get("steps"))):
            tool = fields_of(step).get("tool")
            if isinstance(tool, str) and not own.has(tool):
                path = f"workflows.{name}.steps.{position}.tool"
                yield Fault(path, f"there is no tool '{tool}'", closest(tool, own.names))


def unused_tools(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """The tools that a definition brings and nothing in it uses."""
    used: set[str] = set()
    for _, fields in parts_in("", raw):
        listed = (_parsed(_USE, item) for item in items_of(fields.get("tools")))
        used |= {use.name for use in listed if use is not None} | {str(fields.get("tool"))}
    steps = (
        step for flow in fields_of(raw.get("workflows")).values() for step in items_of(fields_of(flow).get("steps"))
    )
    used |= {str(fields_of(step).get("tool")) for step in steps}
    own = own_tools(raw)
    for key, names in (("http_tools", own.http), ("mcp_servers", own.servers)):
        for position, name in enumerate(names):
            server = own.servers.get(name) if key == "mcp_servers" else None
            if name not in used and not (server and any(server.may_offer(tool) for tool in used)):
                yield Fault(f"{key}.{position}", f"'{name}' is used by nothing: list it in 'tools'")


def own_tools(raw: Mapping[str, Any]) -> OwnTools:
    """What the author's own text brings."""
    http = {name: _parsed(_HTTP, tool) for name, tool in _named(raw.get("http_tools"))}
    return OwnTools(http, {name: _parsed(_MCP, server) for name, server in _named(raw.get("mcp_servers"))})


def _own_tool_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the tools that a definition brings."""
    yield from _name_faults(raw)
    for position, item in enumerate(items_of(raw.get("http_tools"))):
        yield from _header_faults(f"http_tools.{position}.headers", fields_of(item).get("headers"))
        if (tool := _parsed(_HTTP, item)) is not None:
            yield from _http_faults(f"http_tools.{position}", tool)
    for position, item in enumerate(items_of(raw.get("mcp_servers"))):
        yield from _header_faults(f"mcp_servers.{position}.headers", fields_of(item).get("headers"))
        if (server := _parsed(_MCP, item)) is not None:
            yield from _address_faults(f"mcp_servers.{position}.url", server.url)
            yield from _offer_faults(f"mcp_servers.{position}", server, raw)


def _name_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    seen: set[str] = set()
    for key in ("http_tools", "mcp_servers"):
        for position, item in enumerate(items_of(raw.get(key))):
            name = str(fields_of(item).get("name"))
            if name.startswith(ASKING):
                yield Fault(f"{key}.{position}.name", f"'{ASKING}' begins the names of sub-agents")
            if name in BUILT_IN:
                yield Fault(f"{key}.{position}.name", f"'{name}' is the name of a built-in tool; choose another")
            elif name in seen:
                yield Fault(f"{key}.{position}.name", f"'{name}' is the name of another tool of this definition")
            seen.add(name)


def _tool_list_faults(path: str, raw: Any, own: OwnTools) -> Iterator[Fault]:
    """What is wrong with a list of tools."""
    seen: set[str] = set()
    for position, item in enumerate(items_of(raw)):
        use = _parsed(_USE, item)
        if use is None:
            continue
        place = f"{path}.{position}"
        name_path = place if isinstance(item, str) else f"{place}.name"
        if use.name not in own.names:
            yield Fault(name_path, f"there is no tool '{use.name}'", closest(use.name, own.names))
        yield from _config_faults(f"{place}.config", use.name, use.config)
        if use.name in seen:
            yield Fault(place, f"the tool '{use.name}' is listed twice")
        seen.add(use.name)


def _tool_node_faults(path: str, tool: str, node: Mapping[str, Any], own: OwnTools) -> Iterator[Fault]:
    """What is wrong with the tool, the configuration and the arguments of a node that calls a tool."""
    if not own.has(tool):
        found = f"{tool}_…" if tool in own.servers else closest(tool, own.names)
        yield Fault(f"{path}.tool", f"there is no tool '{tool}'", found)
        return
    yield from _config_faults(f"{path}.config", tool, fields_of(node.get("config")))
    arguments = fields_of(node.get("arguments"))
    fixed = {key: value for key, value in arguments.items() if not references(value)}
    properties = _properties(tool, own)
    if properties is None:
        return
    for fault in _argument_faults(tool, fixed, own):
        first = fault.path.partition(".")[0]
        if first in arguments.keys() - fixed.keys() or (not first and fixed.keys() != arguments.keys()):
            continue  # its value is known only in the run
        known = closest(first, properties) if first and first not in properties else None
        yield Fault(f"{path}.arguments.{fault.path}".removesuffix("."), plain(fault.reason), known)
    if tool in BUILT_IN:
        for key in arguments.keys() - fixed.keys() - properties.keys():
            yield Fault(f"{path}.arguments.{key}", "is not an argument", closest(key, properties))


def _properties(tool: str, own: OwnTools) -> Mapping[str, Any] | None:
    """The arguments of a tool by name; None where nobody knows them before the run."""
    if tool in BUILT_IN:
        return BUILT_IN[tool].arguments_schema.get("properties", {})
    http = own.http.get(tool)
    if http is None or schema_faults("", http.arguments):
        return None
    return http.arguments.get("properties", {})


def _argument_faults(tool: str, arguments: Mapping[str, Any], own: OwnTools) -> Iterator[Fault]:
    if tool in BUILT_IN:
        yield from argument_faults(tool, arguments)
    elif (http := own.http.get(tool)) is not None:
        for fault in value_faults("", http.arguments, dict(arguments)):
            yield Fault(fault.path.removeprefix("."), fault.reason, fault.suggestion)


def _config_faults(path: str, name: str, config: Mapping[str, Any]) -> Iterator[Fault]:
    spec = BUILT_IN.get(name)
    if spec is None:
        if config:
            yield Fault(path, f"'{name}' has no configuration: what it does is in its own definition")
        return
    properties: Mapping[str, Any] = spec.config_schema.get("properties", {})
    for fault in config_faults(name, config):
        first = fault.path.partition(".")[0]
        known = closest(first, properties) if first not in properties else None
        yield Fault(f"{path}.{fault.path}", plain(fault.reason), known)


def _http_faults(path: str, tool: HttpTool) -> Iterator[Fault]:
    faults = schema_faults(f"{path}.arguments", tool.arguments)
    yield from faults
    properties: Mapping[str, Any] = {} if faults else tool.arguments.get("properties", {})
    for name in properties:
        if not _NAME.fullmatch(name):
            yield Fault(f"{path}.arguments.properties.{name}", "must be letters, digits or '_', 64 at most")
    yield from _address_faults(f"{path}.url", IN_PATH.sub(_EXAMPLE, tool.url))
    yield from _template_faults(path, tool, properties, set() if faults else set(tool.arguments.get("required", ())))
    if tool.body is not None and tool.method not in WITH_BODY:
        yield Fault(f"{path}.body", f"does not go with {tool.method}")
    if tool.body is not None and tool.body_type == "form" and not isinstance(tool.body, dict):
        yield Fault(f"{path}.body", "must be a map for a form")


def _template_faults(path: str, tool: HttpTool, properties: Mapping[str, Any], required: set[str]) -> Iterator[Fault]:
    found = ORIGIN.fullmatch(tool.url)
    origin, rest = found.groups() if found else ("", "")
    where, _, query = rest.partition("?")
    if "{" in origin:
        yield Fault(f"{path}.url", "must name its host: arguments stand in the path only")
    if "{" in query or "#" in rest:
        yield Fault(f"{path}.url", "may have arguments in its path only; give others in 'query'")
    if re.search(r"[{}]", IN_PATH.sub("", where)):
        yield Fault(f"{path}.url", "has braces that are no argument: write {name} or {+name}")
    for name in sorted(used_arguments(tool) - properties.keys()):
        reason = f"{{{name}}} is none of its arguments; in plain text, put a space after the brace"
        yield Fault(path, reason, closest(name, properties))
    optional = {match[2] for match in IN_PATH.finditer(where)} - required
    for name in sorted(optional & properties.keys()):
        yield Fault(f"{path}.arguments.required", f"must list '{name}', which the path needs", name)


def _address_faults(path: str, url: str) -> Iterator[Fault]:
    """Whether an address can be right anywhere; addresses of the own machine may be, for a developer."""
    try:
        check_url(url, EgressPolicy(frozenset(_own_sites(url))))
    except EgressRefused as refused:
        yield Fault(path, f"cannot be reached: {refused.message}")


def _own_sites(url: str) -> Iterator[tuple[str, int]]:
    found = re.match(r"https?://(localhost|127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(?:[/?]|$)", url, re.IGNORECASE)
    if found:
        port = int(found[2]) if found[2] else 443 if url.lower().startswith("https") else 80
        yield found[1].lower().strip("[]"), port


def _offer_faults(path: str, server: McpServer, raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Whether the tools of a server, as far as their names are known, would be called like another tool."""
    key, prefix = ("name", server.name) if server.prefix is None else ("prefix", server.prefix)
    if server.tools is None and f"{prefix}_".startswith(ASKING):
        yield Fault(f"{path}.{key}", f"'{ASKING}' begins the names of sub-agents")
    http = {name for name, _ in _named(raw.get("http_tools"))}
    seen: dict[str, str] = {}
    for position, tool in enumerate(server.tools or ()):
        name, place = server.offered_name(tool.name), f"{path}.tools.{position}"
        if name in seen:
            yield Fault(place, f"would be '{name}', like '{seen[name]}'")
        elif name in BUILT_IN or name in http or name.startswith(ASKING):
            yield Fault(place, f"would be '{name}', {_taken(name)}")
        seen[name] = tool.name


def _taken(name: str) -> str:
    if name in BUILT_IN:
        return "the name of a built-in tool"
    return "as sub-agents are called" if name.startswith(ASKING) else "the name of another tool"


def _header_faults(path: str, raw: Any) -> Iterator[Fault]:
    seen: set[str] = set()
    for name in fields_of(raw):
        lower = str(name).lower()
        if lower in _RESERVED_HEADERS or lower.startswith(("proxy-", "mcp-")):
            yield Fault(f"{path}.{name}", "is a header that Fireloom sets itself")
        if lower in seen:
            yield Fault(f"{path}.{name}", "is given twice")
        seen.add(lower)


def _named(raw: Any) -> Iterator[tuple[str, Any]]:
    for item in items_of(raw):
        name = fields_of(item).get("name")
        if isinstance(name, str):
            yield name, item


def _parsed(kind: TypeAdapter[T], raw: Any) -> T | None:
    """The value of the right form, or None: what is wrong with the form is told elsewhere."""
    try:
        return kind.validate_python(raw)
    except ValidationError:
        return None
