"""The tool `document_analyzer`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.brought_file import brought_file
from shared.adapters.tools.workspace import Workspace
from shared.domain.artifacts import ArtifactVersion
from shared.domain.errors import InvalidArgument
from shared.domain.tool_arguments import DocumentAnalyzerArguments
from shared.domain.tools import Attachment, ShownFile, ToolResult
from shared.ports.document_reader import DocumentReader
from shared.ports.web_client import WebClient
from shared.usecases.artifacts.get_artifact import get_artifact

MAX_HEADINGS = 100
PDF = "application/pdf"
MAX_SHOWN_BYTES = 4 * 1024 * 1024
"""A model's request holds more, but other files, too."""


async def document_analyzer(
    arguments: DocumentAnalyzerArguments, workspace: Workspace, reader: DocumentReader, web: WebClient | None = None
) -> ToolResult:
    """The facts of a document, the part of its text that was asked for, and on request the document itself."""
    file = await brought_file(arguments, workspace, web)
    artifact = file.artifact
    document = await reader.read(artifact.name, artifact.mime_type, file.content, max_headings=MAX_HEADINGS)
    length = len(document.text)
    if arguments.offset > length:
        raise InvalidArgument(f"offset is {arguments.offset}, but the text has {length} characters.")
    end = min(arguments.offset + arguments.max_characters, length)
    content: dict[str, Any] = {
        "path": artifact.name,
        "version": artifact.version,
        "mime_type": artifact.mime_type,
        "title": document.title,
        **({} if document.pages is None else {"pages": document.pages}),
        "characters": length,
        "words": len(document.text.split()),
        "headings": [{"level": level, "text": text} for level, text in document.headings],
        "offset": arguments.offset,
        "text": document.text[arguments.offset : end],
        "truncated": end < length or document.cut,
        **({"next_offset": end} if end < length else {}),
    }
    shown = (Attachment(artifact.name, artifact.version, PDF),) if arguments.show and _is_shown(artifact) else ()
    return ToolResult(content, attachments=shown)


async def show_document(attachment: Attachment, workspace: Workspace) -> ShownFile:
    """The document for a model, as it is: it could be read when it was attached.

    Raises:
        NotFound: it is not there any more.
        Unavailable: the store does not answer.
    """
    file = await get_artifact(workspace.documents, workspace.session_id, attachment.name, attachment.version)
    return ShownFile(PDF, file.content)


def _is_shown(artifact: ArtifactVersion) -> bool:
    return artifact.mime_type == PDF and artifact.size_bytes <= MAX_SHOWN_BYTES
