"""The tools that this deployment can execute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.domain.ids import Instance, RunId, SessionId, Uid
from shared.domain.tools import ToolCall, ToolResult, ToolSpec


@dataclass(frozen=True, slots=True)
class ToolContext:
    """On whose behalf, and where, a tool runs.

    Args:
        owner_uid: the person whose run it is.
        session_id: the session whose workspace the file tools see.
        run_id: the run.
        instance: the node instance.
        config: the tool's configuration from the definition.
    """

    owner_uid: Uid
    session_id: SessionId
    run_id: RunId
    instance: Instance
    config: Mapping[str, Any]


class Toolbox(Protocol):
    """The registry of tools, and the one place where they are executed."""

    def find(self, name: str) -> ToolSpec | None:
        """The tool of that name, or None."""
        ...

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Execute one call. Never raises for what the tool does: a failure is a result with `is_error`."""
        ...
