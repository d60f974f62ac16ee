"""Prints what a PDF says, as JSON; a program of its own, so that a PDF made to hang or to fill memory can be stopped.

It reads the file from standard input and imports nothing of Fireloom. Arguments: the most pages and characters to read,
and the most seconds and bytes of memory to take.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any


def main(max_pages: int, max_characters: int, seconds: int, memory_bytes: int) -> None:
    """Read the PDF and print an object with `title`, `pages`, `pages_read` and `text`, or with `error`."""
    _limit(seconds, memory_bytes)
    logging.disable(logging.CRITICAL)  # pypdf's remarks on broken files
    from pypdf.errors import DependencyError, FileNotDecryptedError, WrongPasswordError

    try:
        found = _read(sys.stdin.buffer.read(), max_pages, max_characters)
    except (DependencyError, FileNotDecryptedError, WrongPasswordError):
        found = {"error": "encrypted"}
    except MemoryError:
        found = {"error": "too large"}
    except Exception:  # noqa: BLE001 - pypdf raises of every kind for broken files
        found = {"error": "broken"}
    sys.stdout.write(json.dumps(found))


def _limit(seconds: int, memory_bytes: int) -> None:
    import resource

    for limit, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory_bytes)):
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):  # macOS has no limit of the address space; the caller's timeout remains
            continue


def _read(content: bytes, max_pages: int, max_characters: int) -> dict[str, Any]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "encrypted"}
    texts: list[str] = []
    room = max_characters
    pages = len(reader.pages)
    for number in range(min(pages, max_pages)):
        text = reader.pages[number].extract_text()[:room]
        texts.append(text)
        room -= len(text)
        if room <= 0:
            break
    title = reader.metadata.title if reader.metadata else None
    return {
        "title": _clean(str(title)) if title else None,
        "pages": pages,
        "pages_read": len(texts),
        "text": _clean("\n\n".join(texts)),
    }


def _clean(text: str) -> str:
    """The text without what no document can hold: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
