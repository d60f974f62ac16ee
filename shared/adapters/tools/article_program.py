"""Prints what a web page says, without what stands around it, as JSON; a program of its own, so that it can be stopped.

It reads the page, in UTF-8, from standard input. Arguments: the page's address, the most characters to print, and the
most seconds and bytes of memory to take.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from shared.processes.program_limits import clean, limit


def main(url: str, max_characters: int, seconds: int, memory_bytes: int) -> None:
    """Read the page and print an object with `title` and `text` (Markdown), or with `error`."""
    limit(seconds, memory_bytes)
    try:
        found = _read(sys.stdin.buffer.read().decode("utf-8", "replace"), url, max_characters)
    except MemoryError:
        found = {"error": "too large"}
    except Exception:  # noqa: BLE001 - the libraries underneath raise of every kind for broken pages
        found = {"error": "broken"}
    sys.stdout.write(json.dumps(found))


def _read(page: str, url: str, max_characters: int) -> dict[str, Any]:
    import trafilatura

    tree = trafilatura.load_html(page)
    if tree is None:
        return {"error": "broken"}
    text = trafilatura.extract(tree, url=url, output_format="markdown", include_links=True, include_tables=True)
    described = trafilatura.extract_metadata(tree, default_url=url)
    title = described.title if described else None
    return {"title": clean(str(title))[:300] if title else None, "text": clean(text or "")[:max_characters]}


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
