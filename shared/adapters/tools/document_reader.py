"""`DocumentReader` of this process and its children: plain text, Markdown, HTML, PDF, Word and Excel."""

from __future__ import annotations

import asyncio
from itertools import accumulate

from shared.adapters.tools.html_text import html_text
from shared.adapters.tools.office_text import is_office, office_text
from shared.adapters.tools.pdf_text import pdf_text
from shared.domain.errors import FailedPrecondition
from shared.domain.markdown_headings import markdown_headings
from shared.domain.media_types import decode_text, detect_media_type
from shared.ports.document_reader import ReadDocument

MAX_HTML_CHARACTERS = 2 * 1024 * 1024
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_BETWEEN_PAGES = "\n\n"


class LocalDocumentReader:
    """`DocumentReader`; what comes in containers is opened by a process with limits of time and memory."""

    async def read(self, name: str, mime_type: str, content: bytes, *, max_headings: int) -> ReadDocument:
        """What the document says."""
        if detect_media_type(name, content) == "application/pdf":
            return await _pdf(content)
        if is_office(content):
            office = await office_text(content, max_headings=max_headings)
            return ReadDocument(office.text, office.title, office.headings, cut=office.cut)
        kinds = {mime_type, detect_media_type(name, b"")}
        text = _text(content, is_html=bool(kinds & _HTML))
        if text is None:
            described = f"{name!r} ({mime_type}, {len(content):,} bytes)"
            raise FailedPrecondition(f"{described} is not plain text, Markdown, HTML, PDF, Word or Excel.")
        if kinds & _HTML:
            page = await asyncio.to_thread(html_text, text[:MAX_HTML_CHARACTERS], max_headings=max_headings)
            return ReadDocument(page.text, page.title, page.headings, cut=len(text) > MAX_HTML_CHARACTERS)
        headings = markdown_headings(text, most=max_headings) if "text/markdown" in kinds else ()
        return ReadDocument(text, headings[0][1] if headings else None, headings)


async def _pdf(content: bytes) -> ReadDocument:
    pdf = await pdf_text(content)
    lengths = accumulate((len(text) + len(_BETWEEN_PAGES) for text in pdf.texts), initial=0)
    return ReadDocument(
        text=_BETWEEN_PAGES.join(pdf.texts),
        title=pdf.title,
        pages=pdf.pages,
        page_starts=tuple(start for _, start in zip(pdf.texts, lengths, strict=False)),
        cut=len(pdf.texts) < pdf.pages,
    )


def _text(content: bytes, *, is_html: bool) -> str | None:
    text = decode_text(content)
    if text is None and is_html and b"\0" not in content:
        return content.decode("windows-1252", "replace")  # what browsers take pages for that do not say
    return text
