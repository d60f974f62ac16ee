"""The tool `file_write`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.workspace import Workspace
from shared.domain.tool_arguments import FileWriteArguments
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact


async def file_write(arguments: FileWriteArguments, workspace: Workspace) -> dict[str, Any]:
    """Make the content the file's newest version, and say which that is."""
    new = NewArtifact(
        session_id=workspace.session_id,
        owner_uid=workspace.owner_uid,
        name=arguments.path,
        content=arguments.content.encode(),
        created_by=workspace.author,
    )
    stored = await put_artifact(workspace.documents, workspace.clock, new)
    return {
        "path": stored.head.name,
        "version": stored.head.head,
        "created": stored.created,
        "size_bytes": stored.head.size_bytes,
    }
