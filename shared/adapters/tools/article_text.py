"""What a web page says: its article as Markdown, or all its visible text where there is no article."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.tools.html_text import html_text
from shared.domain.errors import FailedPrecondition
from shared.processes.limited_process import read_limited

MAX_CHARACTERS = 1_000_000
SECONDS = 20.0
_PROGRAM = Path(__file__).with_name("article_program.py")
_ENOUGH = 200  # characters; what is shorter may be a fragment, such as a notice about cookies


@dataclass(frozen=True, slots=True)
class ArticleText:
    """A page without its menus and footers."""

    title: str | None
    text: str


async def article_text(page: str, url: str, *, seconds: float = SECONDS) -> ArticleText:
    """Extract the article of a page; takes a second, most of it to start the process."""
    article = ArticleText(None, "")
    try:
        raw = page.encode("utf-8", "replace")
        found = await read_limited(_PROGRAM, raw, url, MAX_CHARACTERS, what="The page", seconds=seconds)
        article = ArticleText(found["title"], found["text"])
    except FailedPrecondition:
        pass  # too strange for an article; its text can always be had
    if len(article.text) >= _ENOUGH:
        return article
    plain = await asyncio.to_thread(html_text, page, max_headings=1)
    text = plain.text[:MAX_CHARACTERS]
    return ArticleText(article.title or plain.title, text if len(text) > len(article.text) else article.text)
