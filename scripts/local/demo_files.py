"""The files of a folder that the demo reviews."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 64 * 1024
MOST_FILES = 40


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of the folder: its path there, with slashes, and its content."""

    path: str
    content: bytes


def choose_files(folder: Path, limit: int = MOST_FILES) -> tuple[list[TextFile], int]:
    """The text files of at most `MOST_BYTES` that git tracks, the least deep first; and how many more there are.

    Outside a git work tree all files count whose path has no hidden part.
    """
    files = [file for path in sorted(_paths(folder), key=_shallow) if (file := _read(folder, path)) is not None]
    return files[:limit], max(len(files) - limit, 0)


def _paths(folder: Path) -> list[str]:
    listed = subprocess.run(["git", "-C", str(folder), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode == 0:
        return [path.decode("utf-8", "surrogateescape") for path in listed.stdout.split(b"\0") if path]
    relative = [path.relative_to(folder) for path in folder.rglob("*")]
    return [path.as_posix() for path in relative if not any(part.startswith(".") for part in path.parts)]


def _shallow(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _read(folder: Path, path: str) -> TextFile | None:
    file = folder / path
    if file.is_symlink() or not file.is_file() or not 0 < file.stat().st_size <= MOST_BYTES:
        return None
    content = file.read_bytes()
    try:
        content.decode("utf-8")
        path.encode("utf-8")
    except UnicodeError:
        return None
    return None if b"\0" in content else TextFile(path, content)
