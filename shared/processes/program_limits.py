"""The limits that a reading program sets itself before it reads."""

from __future__ import annotations

import logging
import resource


def limit(seconds: int, memory_bytes: int) -> None:
    """Take no more than so many seconds of work and bytes of memory, and print no library's remarks."""
    logging.disable(logging.CRITICAL)
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory_bytes)):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS has no limit of the address space; the caller's timeout remains
            continue


def clean(text: str) -> str:
    """The text without what no document can hold: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
