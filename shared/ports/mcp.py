"""Servers that have tools, by the Model Context Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from shared.domain.secrets import SecretText
from shared.domain.tool_definitions import McpServer
from shared.domain.tools import ToolResult, ToolSpec


class McpConnection(Protocol):
    """A server, as one node sees it."""

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """The tools that it offers, chosen by the definition, by the server's own names for them."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool by the server's name for it; what goes wrong is a result with `is_error`."""
        ...


class McpConnector(Protocol):
    """Reaches MCP servers."""

    async def connect(self, server: McpServer, secrets: Mapping[str, SecretText], key: str) -> McpConnection:
        """The server, with its tools listed; nodes with the same `key` are one client to it.

        Raises:
            shared.domain.errors.EgressRefused: its address may not be reached.
            shared.domain.errors.FailedPrecondition: it lacks a chosen tool, or describes one oddly.
            shared.domain.errors.Unavailable: it does not answer.
        """
        ...
