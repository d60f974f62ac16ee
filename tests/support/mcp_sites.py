"""Real MCP servers on the loopback address, by the `mcp` package itself."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, ImageContent, TextContent, ToolAnnotations

from tests.support.http_sites import Asked, Told


@dataclass(frozen=True, slots=True)
class Scripted:
    """A server that speaks an older protocol, and says whatever a test wants.

    Args:
        tools: what `tools/list` answers as its tools; a function of the cursor answers a page.
        answer: from the parameters of `tools/call` to its result; a `Told` is sent as it is.
        session: the id that it gives its clients; without the right one they are not known.
    """

    tools: Any
    answer: Callable[[dict[str, Any]], Any] | None = None
    session: str = "s1"

    def __call__(self, asked: Asked) -> Told:
        """Answer a request."""
        if asked.method != "POST":
            return Told(status=405 if asked.method == "GET" else 200)
        message = asked.json
        if "id" not in message:
            return Told(status=202)
        is_first = message["method"] in {"initialize", "server/discover"}
        if not is_first and asked.headers.get("mcp-session-id") != self.session:
            return Told(b"no session", 404)
        result = self._result(message["method"], message.get("params", {}))
        if isinstance(result, Told):
            return result
        error = {"code": -32601, "message": "no such method"}
        told = {"jsonrpc": "2.0", "id": message["id"], **({"error": error} if result is None else {"result": result})}
        headers = {"Content-Type": "application/json", "Mcp-Session-Id": self.session}
        return Told(json.dumps(told).encode(), headers=headers)

    def _result(self, method: str, params: dict[str, Any]) -> Any:
        match method:
            case "initialize":
                info = {"name": "scripted", "version": "1"}
                return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                return self.tools(params.get("cursor")) if callable(self.tools) else {"tools": self.tools}
            case "tools/call" if self.answer is not None:
                return self.answer(params)
            case _:
                return None


@dataclass
class McpSite:
    """A running server, and the headers of every request that it got."""

    port: int
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    methods: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def at(self) -> tuple[str, int]:
        """It as an exception of an egress policy."""
        return "127.0.0.1", self.port


def calculator() -> MCPServer:
    """A server with tools of every kind."""
    server = MCPServer("calculator", log_level="CRITICAL")
    memory: list[float] = []

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: float, b: float) -> float:
        """Add two numbers."""
        return a + b

    @server.tool(annotations=ToolAnnotations(idempotent_hint=True))
    def store(value: float) -> str:
        """Store a number."""
        memory.append(value)
        return f"stored {len(memory)}"

    @server.tool()
    def fail(reason: str) -> str:
        """Fail."""
        raise ValueError(reason)

    @server.tool()
    async def wait(seconds: float) -> str:
        """Take a while."""
        await asyncio.sleep(seconds)
        return "done"

    @server.tool(name="Draw.Picture", structured_output=False)
    def draw() -> CallToolResult:
        """Draw."""
        return CallToolResult(
            content=[
                TextContent(type="text", text="Here it is."),
                ImageContent(type="image", data="AAAA", mime_type="image/png"),
            ]
        )

    return server


@asynccontextmanager
async def mcp_site(
    server: MCPServer, *, stateless: bool = False, plain: bool = False, port: int = 0
) -> AsyncGenerator[McpSite]:
    """The server on a port, a free one by default, for the time of the block."""
    app = server.streamable_http_app(stateless_http=stateless, json_response=plain)
    with socket.create_server(("127.0.0.1", port)) as bound:
        site = McpSite(bound.getsockname()[1])
        config = uvicorn.Config(_noting(app, site), log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        serving = asyncio.ensure_future(running.serve(sockets=[bound]))
        async with asyncio.timeout(60):
            while not running.started:  # noqa: ASYNC110 - uvicorn tells nobody
                await asyncio.sleep(0.01)
        try:
            yield site
        finally:
            running.should_exit = True
            await serving


def _noting(app: Callable[..., Any], site: McpSite) -> Callable[..., Any]:
    async def noting(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            site.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            site.methods.append(scope["method"])
        await app(scope, receive, send)

    return noting
