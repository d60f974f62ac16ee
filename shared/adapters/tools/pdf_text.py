"""The text of a PDF, extracted by a separate process with limits of time and memory."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.domain.errors import FailedPrecondition

MAX_PAGES = 500
MAX_CHARACTERS = 2_000_000
SECONDS = 30
MEMORY_BYTES = 512 * 1024 * 1024
_PROGRAM = Path(__file__).with_name("pdf_program.py")
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_REASONS = {
    "encrypted": "is encrypted with a password, so its text cannot be read",
    "broken": "is broken, so its text cannot be read",
    "too large": "needs too much memory to be read",
}


@dataclass(frozen=True, slots=True)
class PdfText:
    """What a PDF says.

    Args:
        title: from the file's own description.
        pages: how many it has.
        pages_read: how many of them `text` covers, from the first.
        text: what they say, pages set apart by blank lines; scanned pages have none.
    """

    title: str | None
    pages: int
    pages_read: int
    text: str


async def pdf_text(content: bytes, *, seconds: float = SECONDS) -> PdfText:
    """Extract the text of a PDF.

    Raises:
        FailedPrecondition: it is encrypted, broken, or takes too long.
    """
    try:
        async with asyncio.timeout(seconds):
            printed = await _run(content)
    except TimeoutError:
        raise FailedPrecondition(f"The PDF takes longer than {seconds:g} seconds to read.") from None
    try:
        found: dict[str, Any] = json.loads(printed)
    except ValueError:
        found = {"error": "broken"}  # such as a crash at a limit
    if "error" in found:
        raise FailedPrecondition(f"The PDF {_REASONS[found['error']]}.")
    return PdfText(**found)


async def _run(content: bytes) -> bytes:
    """The program's standard output; it is killed when the caller stops waiting."""
    limits = (MAX_PAGES, MAX_CHARACTERS, SECONDS, MEMORY_BYTES)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # this folder holds modules of the tools' names
        str(_PROGRAM),
        *map(str, limits),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        printed, _ = await process.communicate(content)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return printed


def _environment() -> dict[str, str]:
    """What Python needs to start with the libraries of this process; none of its secrets."""
    needed = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return {**needed, "PYTHONPATH": os.pathsep.join(sys.path)}
