"""The tool `diff`."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.adapters.tools.workspace import Workspace, text_of
from shared.domain.artifact_names import artifact_name
from shared.domain.errors import FailedPrecondition
from shared.domain.line_diffs import unified_diff
from shared.domain.text_lines import excerpt, lines_of
from shared.domain.tool_arguments import DiffArguments
from shared.usecases.artifacts.get_artifact import get_head, get_versions

MAX_CHARACTERS = 65_536


async def diff(arguments: DiffArguments, workspace: Workspace) -> dict[str, Any]:
    """What changed between the two files or versions, as a unified diff."""
    sides = await _sides(arguments, workspace)
    files = await get_versions(workspace.documents, workspace.session_id, sides)
    old, new = (text_of(file) for file in files)
    names = [f"{name}@{version}" for name, version in sides]
    text = await asyncio.to_thread(unified_diff, lines_of(old), lines_of(new), *names)
    found = excerpt(text, start_line=1, end_line=None, max_characters=MAX_CHARACTERS)
    return {
        "old": names[0],
        "new": names[1],
        "identical": files[0].artifact.digest == files[1].artifact.digest,
        "diff": found.text,
        "truncated": found.cut,
    }


async def _sides(arguments: DiffArguments, workspace: Workspace) -> list[tuple[str, int]]:
    path = artifact_name(arguments.path)
    other_path = path if arguments.other_path is None else artifact_name(arguments.other_path)
    other_version = arguments.other_version or await _newest(other_path, workspace)
    version = arguments.version
    if version is None and arguments.other_path is None:
        version = other_version - 1
        if version == 0:
            raise FailedPrecondition(f"{path!r} has no version before version 1 to compare with.")
    elif version is None:
        version = await _newest(path, workspace)
    return [(path, version), (other_path, other_version)]


async def _newest(name: str, workspace: Workspace) -> int:
    return (await get_head(workspace.documents, workspace.session_id, name)).head
