"""The tool `document_analyzer`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from shared.adapters.tools.html_text import html_text
from shared.adapters.tools.pdf_text import pdf_text
from shared.adapters.tools.workspace import Workspace, describe
from shared.domain.errors import FailedPrecondition, InvalidArgument
from shared.domain.markdown_headings import markdown_headings
from shared.domain.media_types import decode_text, detect_media_type
from shared.domain.tool_arguments import DocumentAnalyzerArguments
from shared.usecases.artifacts.get_artifact import ArtifactContent, get_artifact

MAX_HEADINGS = 100
MAX_HTML_CHARACTERS = 2 * 1024 * 1024
_HTML = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class _Document:
    """What a document says; `cut` where only its beginning was read."""

    text: str
    title: str | None = None
    headings: tuple[tuple[int, str], ...] = ()
    pages: int | None = None
    cut: bool = False


async def document_analyzer(arguments: DocumentAnalyzerArguments, workspace: Workspace) -> dict[str, Any]:
    """The facts of a document, and the part of its text that was asked for."""
    file = await get_artifact(workspace.documents, workspace.session_id, arguments.path)
    document = await _read(file)
    length = len(document.text)
    if arguments.offset > length:
        raise InvalidArgument(f"offset is {arguments.offset}, but the text has {length} characters.")
    end = min(arguments.offset + arguments.max_characters, length)
    return {
        "path": file.artifact.name,
        "version": file.artifact.version,
        "mime_type": file.artifact.mime_type,
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


async def _read(file: ArtifactContent) -> _Document:
    if detect_media_type(file.artifact.name, file.content) == "application/pdf":
        pdf = await pdf_text(file.content)
        return _Document(pdf.text, pdf.title, pages=pdf.pages, cut=pdf.pages_read < pdf.pages)
    text = decode_text(file.content)
    kinds = {file.artifact.mime_type, detect_media_type(file.artifact.name, b"")}
    if kinds & _HTML and text is None and b"\0" not in file.content:
        text = file.content.decode("windows-1252", "replace")  # what browsers take pages for that do not say
    if text is None:
        raise FailedPrecondition(f"{describe(file.artifact)} is not plain text, Markdown, HTML or PDF.")
    if kinds & _HTML:
        page = await asyncio.to_thread(html_text, text[:MAX_HTML_CHARACTERS], max_headings=MAX_HEADINGS)
        return _Document(page.text, page.title, page.headings, cut=len(text) > MAX_HTML_CHARACTERS)
    headings = markdown_headings(text, most=MAX_HEADINGS) if "text/markdown" in kinds else ()
    return _Document(text, headings[0][1] if headings else None, headings)
