"""`Toolbox`: the built-in tools, and those that a definition brings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from shared.adapters.tools.http_tool import call_http_tool, http_tool_spec
from shared.adapters.tools.toolbox import LocalToolbox
from shared.domain.errors import DomainError, FailedPrecondition, Internal
from shared.domain.http_requests import secret_names
from shared.domain.redaction import Redactor
from shared.domain.secrets import SecretText
from shared.domain.tool_definitions import HttpTool, McpServer, ToolKit, ToolUse
from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult
from shared.ports.mcp import McpConnector
from shared.ports.tools import Tool, ToolContext
from shared.ports.web_client import WebClient
from shared.usecases.secrets.read_secrets import read_secrets
from shared.usecases.secrets.vault import Vault

_LOG = logging.getLogger(__name__)
_SLACK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DefinitionToolbox:
    """The tools of a node. What it sends of secrets, it takes out of what comes back.

    Args:
        built_in: the tools of every deployment.
        vault: the secrets of definitions' authors.
        web: where HTTP tools send.
        mcp: reaches MCP servers; None where they cannot be reached.
    """

    built_in: LocalToolbox
    vault: Vault
    web: WebClient
    mcp: McpConnector | None = None

    async def tools_for(self, kit: ToolKit, context: ToolContext) -> Mapping[str, Tool]:
        """As `Toolbox.tools_for`."""
        http = {tool.name: tool for tool in kit.http_tools}
        servers = {server.name: server for server in kit.mcp_servers}
        found: dict[str, Tool] = {}
        offers = [self._offered(use, http.get(use.name), servers.get(use.name), context) for use in kit.tools]
        # A tool node has one tool: a task for it costs as much as finding it.
        offered = [await offers[0]] if len(offers) == 1 else await asyncio.gather(*offers)
        for tool in (tool for offer in offered for tool in offer):
            if tool.spec.name in found:
                raise FailedPrecondition(f"two tools have the name {tool.spec.name}")
            found[tool.spec.name] = tool
        return found

    async def show(self, attachment: Attachment, context: ToolContext) -> ShownFile:
        """As `Toolbox.show`."""
        return await self.built_in.show(attachment, context)

    async def _offered(
        self, use: ToolUse, http: HttpTool | None, server: McpServer | None, context: ToolContext
    ) -> list[Tool]:
        """The tools of one entry of a list of tools."""
        if (built_in := self.built_in.find(use.name)) is not None:
            call = partial(self.built_in.call, context=replace(context, config=use.config))
            return [Tool(built_in, call, use.requires_approval)]
        if http is not None:
            return [Tool(http_tool_spec(http), partial(self._call_http, http, context), use.requires_approval)]
        if server is not None:
            return await self._connect(server, context, requires_approval=use.requires_approval)
        raise FailedPrecondition(f"there is no tool named {use.name}")

    async def _call_http(self, tool: HttpTool, context: ToolContext, call: ToolCall) -> ToolResult:
        async def send(secrets: Mapping[str, SecretText]) -> ToolResult:
            return await call_http_tool(tool, call.arguments, secrets, self.web)

        return await self._call(call, context, tool, send)

    async def _connect(self, server: McpServer, context: ToolContext, *, requires_approval: bool) -> list[Tool]:
        if self.mcp is None:
            raise FailedPrecondition("this deployment reaches no MCP servers")
        secrets = await self._secrets(server, context)
        connection = await self.mcp.connect(server, secrets, f"{context.run_id}/{context.instance}")
        chosen = {tool.name: tool for tool in server.tools or ()}

        async def run(name: str, call: ToolCall) -> ToolResult:
            return await self._call(call, context, server, lambda _: connection.call(name, call.arguments))

        return [
            Tool(spec, partial(run, name), requires_approval or (name in chosen and chosen[name].requires_approval))
            for name, spec in connection.specs.items()
        ]

    async def _call(
        self,
        call: ToolCall,
        context: ToolContext,
        definition: HttpTool | McpServer,
        send: Callable[[Mapping[str, SecretText]], Awaitable[ToolResult]],
    ) -> ToolResult:
        """The result of `send`, without the secrets; every failure is a message for the model.

        Raises:
            DomainError: the store of secrets does not answer: the node is tried again.
        """
        redactor = Redactor(())
        try:
            secrets = await self._secrets(definition, context)
            redactor = Redactor(secrets.values())
            async with asyncio.timeout(definition.timeout_seconds + _SLACK_SECONDS):
                result = await send(secrets)
        except TimeoutError:
            result = ToolResult(f"{call.name} took too long and was stopped.", is_error=True)
        except DomainError as error:
            if error.retryable:
                raise
            told = f"{call.name} failed." if isinstance(error, Internal) else error.message
            result = ToolResult(told, is_error=True)
        except Exception as error:  # noqa: BLE001 - whatever a tool does must not end the run
            # Without the traceback: it would show the request, and so the secrets.
            _LOG.error("tool %s failed: %s", call.name, type(error).__name__)
            result = ToolResult(f"{call.name} failed for a reason that is not the call's fault.", is_error=True)
        return replace(result, content=redactor.value(result.content))

    async def _secrets(self, definition: HttpTool | McpServer, context: ToolContext) -> Mapping[str, SecretText]:
        names = secret_names(definition)
        if not names:
            return {}
        if context.author_uid is None:
            raise FailedPrecondition("it is not known who wrote the definition, and so whose secrets it names")
        return await read_secrets(self.vault, context.author_uid, names)
