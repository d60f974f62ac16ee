"""The tool `grep`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from shared.adapters.tools.linear_expressions import Search, compile_glob, compile_search
from shared.adapters.tools.workspace import Workspace
from shared.domain.artifacts import ArtifactHead
from shared.domain.globs import literal_prefix
from shared.domain.media_types import decode_text, is_binary
from shared.domain.text_lines import lines_of
from shared.domain.tool_arguments import GrepArguments
from shared.usecases.artifacts.get_artifact import ArtifactContent
from shared.usecases.artifacts.list_artifacts import every_artifact
from shared.usecases.artifacts.read_workspace import read_workspace

MAX_BYTES = 32 * 1024 * 1024
MAX_FILES = 2000
_LINE_CHARACTERS = 300
_BEFORE_MATCH = 100


async def grep(arguments: GrepArguments, workspace: Workspace) -> dict[str, Any]:
    """The lines that match, by file; files are read only until there are enough matches."""
    search = compile_search(arguments.pattern, ignore_case=arguments.ignore_case)
    heads, left_out = await _candidates(arguments.glob, workspace)
    matches: list[dict[str, Any]] = []
    searched = 0
    async for files in read_workspace(workspace.documents, workspace.session_id, heads):
        room = arguments.max_matches + 1 - len(matches)
        matches += await asyncio.to_thread(_first_matches, files, search, room)
        searched += len(files)
        if len(matches) > arguments.max_matches:
            break
    return {
        "matches": matches[: arguments.max_matches],
        "files_searched": searched,
        "truncated": len(matches) > arguments.max_matches or left_out,
    }


async def _candidates(glob: str, workspace: Workspace) -> tuple[list[ArtifactHead], bool]:
    """The files to search, and whether some are left out because there are too many or they are too large."""
    matches = compile_glob(glob)
    heads: list[ArtifactHead] = []
    room = MAX_BYTES
    async for head in every_artifact(workspace.documents, workspace.session_id, prefix=literal_prefix(glob)):
        if is_binary(head.mime_type) or not matches(head.name):
            continue
        room -= head.size_bytes
        if room < 0 or len(heads) == MAX_FILES:
            return heads, True
        heads.append(head)
    return heads, False


def _first_matches(files: Sequence[ArtifactContent], search: Search, limit: int) -> list[dict[str, Any]]:
    return list(islice((match for file in files for match in _matches(file, search)), limit))


def _matches(file: ArtifactContent, search: Search) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines_of(decode_text(file.content) or ""), start=1):
        text = line.removesuffix("\n").removesuffix("\r")
        position = search(text)
        if position is not None:
            yield {"path": file.artifact.name, "line": number, "text": _around(text, position)}


def _around(text: str, position: int) -> str:
    """The line, or of a long one the part around the match."""
    if len(text) <= _LINE_CHARACTERS:
        return text
    start = max(0, min(position - _BEFORE_MATCH, len(text) - _LINE_CHARACTERS))
    part = text[start : start + _LINE_CHARACTERS]
    return f"{'…' if start else ''}{part}{'…' if start + _LINE_CHARACTERS < len(text) else ''}"
