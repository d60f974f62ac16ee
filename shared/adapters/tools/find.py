"""The tool `find`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.linear_expressions import compile_glob
from shared.adapters.tools.workspace import Workspace
from shared.domain.artifacts import ArtifactHead
from shared.domain.globs import literal_prefix
from shared.domain.tool_arguments import FindArguments
from shared.usecases.artifacts.list_artifacts import every_artifact

MAX_CHARACTERS = 100_000


async def find(arguments: FindArguments, workspace: Workspace) -> dict[str, Any]:
    """The paths that match, by name, and the size of each."""
    matches = compile_glob(arguments.glob)
    found: list[ArtifactHead] = []
    room, truncated = MAX_CHARACTERS, False
    async for head in every_artifact(
        workspace.documents,
        workspace.session_id,
        prefix=literal_prefix(arguments.glob),
        first=arguments.limit + 1,
    ):
        if not matches(head.name):
            continue
        room -= len(head.name)
        if len(found) == arguments.limit or room < 0:
            truncated = True
            break
        found.append(head)
    return {
        "paths": [head.name for head in found],
        "sizes_bytes": [head.size_bytes for head in found],
        "truncated": truncated,
    }
