"""The tool `save_artifact`."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.tool_arguments import SaveArtifactArguments
from shared.domain.tools import ToolResult
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact


async def save_artifact(arguments: SaveArtifactArguments, workspace: Workspace) -> ToolResult:
    """Make the content the file's newest version, and say which that is."""
    new = NewArtifact(
        session_id=workspace.session_id,
        owner_uid=workspace.owner_uid,
        name=arguments.name,
        content=_bytes(arguments),
        created_by=workspace.author,
        mime_type=arguments.mime_type,
    )
    stored = await put_artifact(workspace.documents, workspace.clock, new)
    content: dict[str, Any] = {
        "name": stored.head.name,
        "version": stored.head.head,
        "created": stored.created,
        "mime_type": stored.head.mime_type,
        "size_bytes": stored.head.size_bytes,
    }
    return ToolResult(content, actions={"artifact_delta": {stored.head.name: stored.head.head}})


def _bytes(arguments: SaveArtifactArguments) -> bytes:
    if arguments.encoding == "text":
        return arguments.content.encode()
    try:
        return base64.b64decode("".join(arguments.content.split()), validate=True)
    except (binascii.Error, ValueError):
        reason = "is not base64"
        raise InvalidArgument(f"content {reason}.", (Fault("content", reason),)) from None
