"""`McpConnector` by the `mcp` package, over streamable HTTP through the egress guard.

The package is imported when a definition names a server: it takes a second and brings a web framework.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import httpx2

from shared.adapters.mcp_servers.offers import offered_tools
from shared.adapters.mcp_servers.results import result_of
from shared.adapters.mcp_servers.sessions import Session, SessionEnded
from shared.domain.errors import DomainError, FailedPrecondition, Unavailable
from shared.domain.http_requests import own_headers
from shared.domain.secrets import SecretText
from shared.domain.tool_definitions import McpServer
from shared.domain.tools import ToolResult, ToolSpec

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import Tool as ServersTool

MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_PAGES = 20
CONNECT_SECONDS = 30.0
IDLE_SECONDS = 60.0
_SLACK_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


class OpenClient(Protocol):
    """Makes HTTP clients behind the guard; `GuardedWebClient.open` is one."""

    def __call__(self, *, max_response_bytes: int, seconds: float) -> httpx2.AsyncClient:
        """A client that breaks off answers of more than `max_response_bytes`, and waits `seconds` for each part."""
        ...


class McpClients:
    """The sessions of this process with MCP servers: one for each node and server, closed when it is not used."""

    def __init__(self, open_client: OpenClient, idle_seconds: float = IDLE_SECONDS) -> None:
        """Reach servers through clients that `open_client` makes."""
        self._open_client = open_client
        self._idle_seconds = idle_seconds
        self._connections: dict[str, _Connection] = {}
        self._open: set[_Connection] = set()

    async def connect(self, server: McpServer, secrets: Mapping[str, SecretText], key: str) -> _Connection:
        """As `McpConnector.connect`."""
        headers = own_headers(server, secrets)
        name = _digest(key, server.model_dump_json(), *(part for pair in sorted(headers.items()) for part in pair))
        if name not in self._connections:
            await asyncio.to_thread(_import)  # a second in which heartbeats go on, and others connect
        connection = self._connections.get(name) or self._make(name, server, headers)
        await connection.list()
        return connection

    def _make(self, name: str, server: McpServer, headers: Mapping[str, str]) -> _Connection:
        connection = _Connection(server, lambda: self._live(server, headers), self._idle_seconds)

        def ended() -> None:
            self._open.discard(connection)
            if self._connections.get(name) is connection:
                del self._connections[name]

        connection.session.watch(lambda: self._open.add(connection), ended)
        self._connections[name] = connection
        return connection

    async def aclose(self) -> None:
        """End all sessions."""
        for connection in list(self._open):
            await connection.session.aclose()

    @asynccontextmanager
    async def _live(self, server: McpServer, headers: Mapping[str, str]) -> AsyncGenerator[Client]:
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        patience = server.timeout_seconds + _SLACK_SECONDS  # longer than a call's, which leaves the session as it is
        async with self._open_client(max_response_bytes=MAX_ANSWER_BYTES, seconds=patience) as http:
            http.headers.update(headers)
            transport = streamable_http_client(server.url, http_client=http)
            async with Client(transport, read_timeout_seconds=patience, cache=None) as client:
                # It would judge answers by schemas of the server's own making, whose patterns may take for ever.
                setattr(client.session, "validate_tool_result", _accept)  # noqa: B010 - a method, replaced
                yield client


class _Connection:
    """`McpConnection`: a server and the tools that it offered when it was first asked."""

    def __init__(self, server: McpServer, live: Callable[[], Any], idle_seconds: float) -> None:
        self._server = server
        self._specs: dict[str, ToolSpec] | None = None
        self._listing = asyncio.Lock()
        self.session: Session[Client] = Session(live, idle_seconds)

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """As `McpConnection.specs`."""
        return self._specs or {}

    async def list(self) -> None:
        """Ask for the tools, once."""
        async with self._listing:
            if self._specs is None:
                found = await self._ask(_list_tools, min(CONNECT_SECONDS, self._server.timeout_seconds))
                self._specs = offered_tools(self._server, found)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """As `McpConnection.call`."""

        async def call(client: Client) -> Any:
            return await client.call_tool(tool, dict(arguments))

        name = self.specs[tool].name
        try:
            return result_of(await self._ask(call, self._server.timeout_seconds), name)
        except DomainError as error:
            return ToolResult(f"{name}: {error.message}", is_error=True)

    async def _ask(self, work: Callable[[Client], Any], seconds: float) -> Any:
        """What the server answers, every failure as a domain error."""
        try:
            async with asyncio.timeout(seconds):
                return await self.session.use(work)
        except TimeoutError as error:
            raise Unavailable(
                f"The MCP server {self._server.name} did not answer within {seconds:g} seconds."
            ) from error
        except Exception as error:
            if _is_lost(error):
                await self.session.drop()
            raise _domain_error(self._server.name, error) from error


async def _list_tools(client: Client) -> list[ServersTool]:
    tools: list[ServersTool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools
    raise FailedPrecondition("The MCP server lists its tools without an end.")


def _is_lost(error: BaseException) -> bool:
    """Whether the server does not know the session any more, as after its restart."""
    from mcp.shared.exceptions import MCPError
    from mcp_types import CONNECTION_CLOSED

    return any(
        isinstance(cause, MCPError) and (cause.code == CONNECTION_CLOSED or str(cause) == "Session terminated")
        for cause in _causes(error)
    )


def _domain_error(server: str, error: BaseException) -> DomainError:
    """What went wrong, in words that show neither headers nor addresses."""
    from mcp.shared.exceptions import MCPError

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, DomainError):
            return cause
    for cause in causes:
        if isinstance(cause, httpx2.HTTPStatusError):
            return FailedPrecondition(f"The MCP server {server} answered {cause.response.status_code}.")
        if isinstance(cause, httpx2.HTTPError | SessionEnded | OSError):
            return Unavailable(f"The MCP server {server} cannot be reached ({type(cause).__name__}).")
    for cause in causes:
        if isinstance(cause, MCPError):
            return FailedPrecondition(f"The MCP server {server} refused: {' '.join(str(cause).split())[:300]}")
    _LOG.warning("MCP server %s: %s", server, type(error).__name__)
    return FailedPrecondition(f"The MCP server {server} answered something that is not MCP.")


def _causes(error: BaseException) -> list[BaseException]:
    """The error, those that it groups, and those that they came from."""
    found = [error]
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            found += _causes(part)
    if error.__cause__ is not None:
        found += _causes(error.__cause__)
    return found


async def _accept(name: str, result: object) -> None:
    del name, result


def _import() -> None:
    import_module("mcp.client.streamable_http")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
