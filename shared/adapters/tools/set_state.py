"""The tool `set_state`."""

from __future__ import annotations

from shared.adapters.tools.workspace import Workspace
from shared.domain.tool_arguments import SetStateArguments
from shared.domain.tools import ToolResult
from shared.usecases.sessions.set_state import set_state as change_state


async def set_state(arguments: SetStateArguments, workspace: Workspace) -> ToolResult:
    """Set the keys, and say which keys there are now."""
    at = (workspace.session_id, workspace.run_id)
    state = await change_state(workspace.documents, workspace.clock, *at, arguments.values)
    return ToolResult({"keys": sorted(state)}, actions={"state_delta": arguments.values})
