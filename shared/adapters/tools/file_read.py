"""The tool `file_read`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.workspace import Workspace, text_of
from shared.domain.errors import InvalidArgument
from shared.domain.text_lines import excerpt
from shared.domain.tool_arguments import FileReadArguments
from shared.usecases.artifacts.get_artifact import get_artifact

MAX_CHARACTERS = 65_536


async def file_read(arguments: FileReadArguments, workspace: Workspace) -> dict[str, Any]:
    """The lines that were asked for, as far as they fit."""
    file = await get_artifact(workspace.documents, workspace.session_id, arguments.path)
    start, end = arguments.start_line or 1, arguments.end_line
    if end is not None and end < start:
        raise InvalidArgument(f"end_line ({end}) is before start_line ({start}).")
    found = excerpt(text_of(file), start_line=start, end_line=end, max_characters=MAX_CHARACTERS)
    if start > max(found.total_lines, 1):
        raise InvalidArgument(f"start_line is {start}, but {file.artifact.name!r} has {found.total_lines} lines.")
    return {
        "path": file.artifact.name,
        "version": file.artifact.version,
        "start_line": found.start_line,
        "end_line": found.end_line,
        "total_lines": found.total_lines,
        "text": found.text,
        "truncated": found.cut,
        **({"next_line": found.end_line + 1} if found.cut and found.end_line < found.total_lines else {}),
    }
