"""Programs that read what people wrote, each in a process of its own that can be stopped."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from shared.domain.errors import FailedPrecondition

SECONDS = 30
MEMORY_BYTES = 512 * 1024 * 1024
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_REASONS = {
    "encrypted": "is encrypted with a password, so it cannot be read",
    "broken": "is broken, so it cannot be read",
    "too large": "needs too much memory to be read",
}


async def read_limited(
    program: Path, content: bytes, *arguments: int | str, what: str, seconds: float = SECONDS
) -> dict[str, Any]:
    """What a program prints about `content`, which it gets on standard input.

    Args:
        program: prints a JSON object, in which `error` says why there is nothing else.
        content: what to read.
        arguments: the program's own, before the most seconds and bytes of memory to take.
        what: the content in a message: "The PDF".
        seconds: how long to wait.

    Raises:
        FailedPrecondition: the content is encrypted, broken or too large, or reading it takes too long.
    """
    try:
        printed = await run_limited(program, content, *arguments, SECONDS, MEMORY_BYTES, seconds=seconds)
    except TimeoutError:
        raise FailedPrecondition(f"{what} takes longer than {seconds:g} seconds to read.") from None
    try:
        found: dict[str, Any] = json.loads(printed)
    except ValueError:
        found = {"error": "broken"}  # such as a crash at a limit
    if "error" in found:
        raise FailedPrecondition(f"{what} {_REASONS.get(found['error'], found['error'])}.")
    return found


async def run_limited(program: Path, content: bytes, *arguments: int | str, seconds: float) -> bytes:
    """What a program prints about `content`, which it gets on standard input; nothing where it crashed.

    Args:
        program: a file of Python.
        content: what to read.
        arguments: the program's own.
        seconds: how long to wait; then it is killed, as when the caller stops waiting.

    Raises:
        TimeoutError: it took longer.
    """
    async with asyncio.timeout(seconds):
        return await _run(program, content, *map(str, arguments))


async def _run(program: Path, content: bytes, *arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the program's folder may hold modules of a library's name
        str(program),
        *arguments,
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
