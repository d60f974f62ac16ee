"""The tool `web_fetch`."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from shared.adapters.tools.article_text import article_text
from shared.adapters.tools.web_content import text_of_answer
from shared.adapters.tools.web_get import check_whole, get_from_web
from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import InvalidArgument
from shared.domain.tool_arguments import WebFetchArguments, WebFetchConfiguration
from shared.domain.tool_specs import parse_config
from shared.ports.document_reader import DocumentReader, ReadDocument
from shared.ports.web_client import WebAnswer, WebClient

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_ACCEPTED = "text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,application/pdf;q=0.8,*/*;q=0.5"


async def web_fetch(
    arguments: WebFetchArguments, workspace: Workspace, web: WebClient | None, reader: DocumentReader
) -> dict[str, Any]:
    """The part of a page's text that was asked for."""
    config = parse_config(WebFetchConfiguration, workspace.config)
    answer = await get_from_web(web, arguments.url, tuple(config.hosts), _ACCEPTED)
    document = await _read(answer, reader)
    length = len(document.text)
    if arguments.offset > length:
        raise InvalidArgument(f"offset is {arguments.offset}, but the text has {length} characters.")
    end = min(arguments.offset + arguments.max_characters, length)
    return {
        "url": answer.url,
        "media_type": answer.media_type,
        "title": document.title,
        "characters": length,
        "offset": arguments.offset,
        "text": document.text[arguments.offset : end],
        "truncated": end < length or document.cut,
        **({"next_offset": end} if end < length else {}),
    }


async def _read(answer: WebAnswer, reader: DocumentReader) -> ReadDocument:
    """What the answer says, whatever its format."""
    is_page = answer.media_type in _PAGES
    text = text_of_answer(answer, is_page=is_page)
    if text is not None and is_page:
        article = await article_text(text, answer.url)
        return ReadDocument(article.text, article.title, cut=answer.truncated)
    if text is not None:
        return ReadDocument(text, cut=answer.truncated)
    check_whole(answer)
    name = unquote(urlsplit(answer.url).path).rpartition("/")[2][-200:] or "page"
    return await reader.read(name, answer.media_type, answer.body, max_headings=1)
