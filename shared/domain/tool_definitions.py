"""Tools that a definition brings itself: requests to an HTTP API, and the tools of MCP servers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from shared.domain.definition_parts import Name, Strict
from shared.domain.secrets import SecretName
from shared.domain.tools import Effect

MAX_ANSWER_BYTES = 524_288
"""The most that one call may answer: it becomes part of a document."""
MAX_TOOL_SECONDS = 120.0
MAX_TOOL_NAME = 64
"""Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use"""

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]*$", max_length=4000)]


class SecretReference(Strict):
    """Stands for the value of a secret that the definition's author has stored under this name."""

    secret: SecretName


def _kind_of_header(value: Any) -> str:
    return "secret" if isinstance(value, dict | SecretReference) else "text"


HeaderValue = Annotated[
    Annotated[HeaderText, Tag("text")] | Annotated[SecretReference, Tag("secret")], Discriminator(_kind_of_header)
]


class HttpTool(Strict):
    """A tool that sends one HTTP request.

    `{name}` stands for an argument: in the path of the URL, percent-encoded so that it stays in its segment (`{+name}`
    for a path of several segments), and in the texts of `query` and `body`.
    """

    name: Name
    description: str = Field(min_length=1, max_length=4000, description="What it does, for the model.")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: str = Field(min_length=1, max_length=2000, description="With {arguments} in its path only.")
    arguments: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "properties": {}}, description="JSON Schema of an object."
    )
    query: dict[str, Any] | None = Field(
        default=None,
        description="The query's parameters. Left out, a GET or DELETE has all arguments there that the URL leaves.",
    )
    body: Any = Field(
        default=None, description="JSON. Left out, a POST, PUT or PATCH sends the arguments that are used nowhere else."
    )
    body_type: Literal["json", "form"] = "json"
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=50)
    bearer_token: SecretReference | None = Field(default=None, description="Sent as 'Authorization: Bearer'.")
    response_path: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The part of a JSON answer to return: data.items.0.name.",
    )
    max_response_bytes: int = Field(default=65_536, ge=1, le=MAX_ANSWER_BYTES)
    timeout_seconds: float = Field(default=30.0, gt=0, le=MAX_TOOL_SECONDS)
    effect: Effect | None = Field(
        default=None,
        description="What a repeated call does; left out: none for GET, idempotent for PUT and DELETE, else once.",
    )

    @property
    def effective_effect(self) -> Effect:
        """The effect, as declared or as the method promises. Source: https://www.rfc-editor.org/rfc/rfc9110#section-9.2."""
        if self.effect is not None:
            return self.effect
        if self.method == "GET":
            return Effect.NONE
        return Effect.IDEMPOTENT if self.method in {"PUT", "DELETE"} else Effect.ONCE


class McpTool(Strict):
    """One tool of an MCP server. In a definition also as text, its name there."""

    name: str = Field(min_length=1, max_length=128)
    effect: Effect | None = Field(default=None, description="Left out, what the server says of it, else once.")
    requires_approval: bool = False

    @model_validator(mode="before")
    @classmethod
    def _accept_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class McpServer(Strict):
    """An MCP server whose tools an agent may call: each as `{prefix}_{name}`, in lower case.

    An agent that lists the server's name among its tools has all of the chosen ones.
    """

    name: Name
    url: str = Field(min_length=1, max_length=2000, description="The endpoint that speaks streamable HTTP.")
    tools: tuple[McpTool, ...] | None = Field(default=None, description="Those to offer; all if left out.")
    prefix: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_-]{0,30})?$")] | None = Field(
        default=None, description="Before each tool's name; the server's name if left out, nothing if empty."
    )
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=50)
    bearer_token: SecretReference | None = Field(default=None, description="Sent as 'Authorization: Bearer'.")
    timeout_seconds: float = Field(default=60.0, gt=0, le=MAX_TOOL_SECONDS, description="Of one call.")

    def offered_name(self, tool: str) -> str:
        """The name under which a model knows a tool of this server."""
        prefix = self.name if self.prefix is None else self.prefix
        plain = re.sub(r"[^a-z0-9_-]+", "_", tool.lower()).strip("_-")
        name = f"{prefix}_{plain}" if prefix else plain
        return name[:MAX_TOOL_NAME] if name[:1].isalpha() else f"t_{name}"[:MAX_TOOL_NAME]

    def may_offer(self, name: str) -> bool:
        """Whether a tool could have this name, as far as the definition says."""
        if self.tools is not None:
            return name in {self.offered_name(tool.name) for tool in self.tools}
        prefix = self.name if self.prefix is None else self.prefix
        return not prefix or name.startswith(f"{prefix}_")


class ToolUse(Strict):
    """A tool that an agent may call, or an MCP server. In a definition also as text, the name."""

    name: Name
    enabled: bool = True
    requires_approval: bool = Field(default=False, description="A person must agree before each call.")
    config: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _accept_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class ToolKit(Strict):
    """Everything that a node may call: the tools it lists, and those of their definitions that are the author's own."""

    tools: tuple[ToolUse, ...] = ()
    http_tools: tuple[HttpTool, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()

    @classmethod
    def of(
        cls, tools: tuple[ToolUse, ...], http_tools: tuple[HttpTool, ...], mcp_servers: tuple[McpServer, ...]
    ) -> Self:
        """The enabled ones of `tools`, with just the definitions that they need."""
        used = tuple(use for use in tools if use.enabled)
        names = {use.name for use in used}
        return cls(
            tools=used,
            http_tools=tuple(tool for tool in http_tools if tool.name in names),
            mcp_servers=tuple(server for server in mcp_servers if server.name in names),
        )
