"""The text of Word and Excel files, extracted by a separate process with limits of time and memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.tools.html_text import html_text
from shared.processes.limited_process import read_limited

MAX_CHARACTERS = 2_000_000
_PROGRAM = Path(__file__).with_name("office_program.py")
_MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True, slots=True)
class OfficeText:
    """What a file says; its headings are the sheets' names in a file of Excel."""

    title: str | None
    headings: tuple[tuple[int, str], ...]
    text: str
    cut: bool


def is_office(content: bytes) -> bool:
    """Whether the content may be a file of Word or Excel."""
    return content.startswith(_MAGIC)


async def office_text(content: bytes, *, max_headings: int) -> OfficeText:
    """Extract the text of a Word or Excel file.

    Raises:
        FailedPrecondition: it is encrypted, broken, something else, or takes too long.
    """
    found = await read_limited(_PROGRAM, content, MAX_CHARACTERS, what="The document")
    if "sheets" in found:
        sheets: list[tuple[str, str]] = [(name, text) for name, text in found["sheets"]]
        text = "\n\n".join(f"{name}\n{rows}" for name, rows in sheets)
        headings = tuple((1, name) for name, _ in sheets[:max_headings])
        return OfficeText(found["title"], headings, text, cut=len(text) >= MAX_CHARACTERS)
    page = await asyncio.to_thread(html_text, found["html"], max_headings=max_headings)
    return OfficeText(found["title"], page.headings, page.text, cut=len(found["html"]) >= MAX_CHARACTERS)
