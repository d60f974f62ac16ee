"""Zip archives as nobody should send them, and as people do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

AGENT = b"name: helper\nmodel: local:extractive\n"


def zip_of(files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of files, in their order."""
    pairs = files.items() if isinstance(files, Mapping) else files
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in pairs:
            archive.writestr(_entry(name), content, compress_type=compression)
    return target.getvalue()


def files_of(archive: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def link_of(name: str, target: bytes) -> bytes:
    """An archive with a symbolic link beside the agent."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("agent.yaml", AGENT)
        link = zipfile.ZipInfo(name)
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, target)
    return found.getvalue()


def patched(archive: bytes, old: bytes, new: bytes) -> bytes:
    """The archive with other bytes of the same number, everywhere."""
    assert len(old) == len(new)
    assert old in archive
    return archive.replace(old, new)


def with_field(archive: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """The archive with another field in the directory's entry of a file.

    Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.12
    """
    begin = archive.rindex(b"PK\x01\x02", 0, archive.rindex(name)) + offset
    return archive[:begin] + value + archive[begin + len(value) :]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("x", (2026, 1, 1, 0, 0, 0))
    entry.filename = name  # as it is: the constructor would make it harmless
    return entry
