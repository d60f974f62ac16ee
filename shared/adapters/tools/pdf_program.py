"""Prints what a PDF says, as JSON; a program of its own, so that a PDF made to hang or to fill memory can be stopped.

It reads the file from standard input. Arguments: the most pages and characters to read, and the most seconds and bytes
of memory to take.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from shared.processes.program_limits import clean, limit


def main(max_pages: int, max_characters: int, seconds: int, memory_bytes: int) -> None:
    """Read the PDF and print an object with `title`, `pages` and `texts` (of pages), or with `error`."""
    limit(seconds, memory_bytes)
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
        texts.append(clean(text))
        room -= len(text)
        if room <= 0:
            break
    title = reader.metadata.title if reader.metadata else None
    return {"title": clean(str(title)) if title else None, "pages": pages, "texts": texts}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
