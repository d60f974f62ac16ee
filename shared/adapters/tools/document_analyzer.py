"""The tool `document_analyzer`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.brought_file import brought_file
from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import InvalidArgument
from shared.domain.tool_arguments import DocumentAnalyzerArguments
from shared.ports.document_reader import DocumentReader
from shared.ports.web_client import WebClient

MAX_HEADINGS = 100


async def document_analyzer(
    arguments: DocumentAnalyzerArguments, workspace: Workspace, reader: DocumentReader, web: WebClient | None = None
) -> dict[str, Any]:
    """The facts of a document, and the part of its text that was asked for."""
    file = await brought_file(arguments, workspace, web)
    artifact = file.artifact
    document = await reader.read(artifact.name, artifact.mime_type, file.content, max_headings=MAX_HEADINGS)
    length = len(document.text)
    if arguments.offset > length:
        raise InvalidArgument(f"offset is {arguments.offset}, but the text has {length} characters.")
    end = min(arguments.offset + arguments.max_characters, length)
    return {
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
