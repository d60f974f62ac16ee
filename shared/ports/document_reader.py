"""Reads documents of many formats as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """What a document says.

    Args:
        text: all of it.
        title: from the document's own description, or its first heading.
        headings: level and text, in the order in which they stand, each as a line of its own, in `text`.
        pages: how many pages it has; None where there are no pages.
        page_starts: where in `text` each page begins that was read.
        cut: whether only the beginning was read.
    """

    text: str
    title: str | None = None
    headings: tuple[tuple[int, str], ...] = ()
    pages: int | None = None
    page_starts: tuple[int, ...] = ()
    cut: bool = False


class DocumentReader(Protocol):
    """Turns documents to text."""

    async def read(self, name: str, mime_type: str, content: bytes, *, max_headings: int) -> ReadDocument:
        """What the document says.

        Args:
            name: its file name, which tells its format as `mime_type` does.
            mime_type: as its bringer said.
            content: its bytes.
            max_headings: the most headings to look for.

        Raises:
            shared.domain.errors.FailedPrecondition: it is encrypted, broken, no document, or takes too long.
        """
        ...
