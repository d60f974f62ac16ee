"""The tools that this deployment can execute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.domain.ids import Instance, RunId, SessionId, Uid
from shared.domain.tool_definitions import ToolKit
from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult, ToolSpec


@dataclass(frozen=True, slots=True)
class ToolContext:
    """On whose behalf, and where, a tool runs.

    Args:
        owner_uid: the person whose run it is.
        session_id: the session whose workspace the file tools see.
        run_id: the run.
        instance: the node instance.
        config: the tool's configuration from the definition.
        author_uid: who wrote the definition, whose secrets its tools use.
    """

    owner_uid: Uid
    session_id: SessionId
    run_id: RunId
    instance: Instance
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    author_uid: Uid | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as one node may call it.

    Args:
        spec: what it is.
        call: executes one call. Never raises for what the tool does: a failure is a result with `is_error`.
        requires_approval: whether a person must agree before each call.
    """

    spec: ToolSpec
    call: Callable[[ToolCall], Awaitable[ToolResult]]
    requires_approval: bool = False


class Toolbox(Protocol):
    """Where the tools of a node come from."""

    async def tools_for(self, kit: ToolKit, context: ToolContext) -> Mapping[str, Tool]:
        """Everything that a node with this kit may call, by the names that a model uses.

        Raises:
            shared.domain.errors.FailedPrecondition: a tool is not there, or two have the same name.
            shared.domain.errors.Unavailable: a server that has tools does not answer.
        """
        ...

    async def show(self, attachment: Attachment, context: ToolContext) -> ShownFile:
        """A file of the session, as a model may see it.

        Raises:
            shared.domain.errors.DomainError: it cannot be shown, or (if retryable) the store does not answer.
        """
        ...
