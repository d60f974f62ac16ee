"""The tool `image`, and how a file that it names is shown to a model."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from shared.adapters.tools.brought_file import brought_file
from shared.adapters.tools.workspace import Workspace, describe
from shared.domain.errors import FailedPrecondition
from shared.domain.tool_arguments import ImageArguments
from shared.domain.tools import Attachment, ShownFile, ToolResult
from shared.ports.web_client import WebClient
from shared.processes.limited_process import read_limited
from shared.usecases.artifacts.get_artifact import ArtifactContent, get_artifact

_PROGRAM = Path(__file__).with_name("image_program.py")
_TEXTUAL = ("text/", "application/json")


async def image(arguments: ImageArguments, workspace: Workspace, web: WebClient | None = None) -> ToolResult:
    """The facts of an image, and the image itself for a model that can see it."""
    file = await brought_file(arguments, workspace, web)
    facts = await _ask(file, "facts")
    artifact = file.artifact
    content: dict[str, Any] = {
        "path": artifact.name,
        "version": artifact.version,
        "format": facts["format"],
        "width": facts["width"],
        "height": facts["height"],
        "frames": facts["frames"],
        "size_bytes": artifact.size_bytes,
    }
    return ToolResult(content, attachments=(Attachment(artifact.name, artifact.version, artifact.mime_type),))


async def show_image(attachment: Attachment, workspace: Workspace) -> ShownFile:
    """A copy of the image for a model: upright, not too large, without metadata.

    Raises:
        FailedPrecondition: it cannot be read.
        NotFound: it is not there any more.
        Unavailable: the store does not answer.
    """
    file = await get_artifact(workspace.documents, workspace.session_id, attachment.name, attachment.version)
    copy = await _ask(file, "copy")
    return ShownFile(copy["media_type"], base64.b64decode(copy["data"]))


async def _ask(file: ArtifactContent, what: str) -> dict[str, Any]:
    if file.artifact.mime_type.startswith(_TEXTUAL):
        raise FailedPrecondition(f"{describe(file.artifact)} is not an image.")
    return await read_limited(_PROGRAM, file.content, what, what=f"The image {file.artifact.name!r}")
