"""The text of a PDF, extracted by a separate process with limits of time and memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.processes.limited_process import SECONDS, read_limited

MAX_PAGES = 500
MAX_CHARACTERS = 2_000_000
_PROGRAM = Path(__file__).with_name("pdf_program.py")


@dataclass(frozen=True, slots=True)
class PdfText:
    """What a PDF says.

    Args:
        title: from the file's own description.
        pages: how many it has.
        texts: what the pages say, from the first; fewer than `pages` where there are too many. Scanned pages say
            nothing.
    """

    title: str | None
    pages: int
    texts: tuple[str, ...]


async def pdf_text(content: bytes, *, seconds: float = SECONDS) -> PdfText:
    """Extract the text of a PDF.

    Raises:
        FailedPrecondition: it is encrypted, broken, or takes too long.
    """
    found = await read_limited(_PROGRAM, content, MAX_PAGES, MAX_CHARACTERS, what="The PDF", seconds=seconds)
    return PdfText(found["title"], found["pages"], tuple(found["texts"]))
