"""Prints what a Word or Excel file says, as JSON; a program of its own, so that a bomb of a file can be stopped.

It reads the file from standard input. Arguments: the most characters to read, and the most seconds and bytes of memory
to take.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

from shared.processes.program_limits import clean, limit

MAX_UNPACKED_BYTES = 100 * 1024 * 1024
_OLD_FORMAT = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_CORE = "docProps/core.xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"


def main(max_characters: int, seconds: int, memory_bytes: int) -> None:
    """Read the file and print an object with `title` and `html` (Word) or `sheets` (Excel), or with `error`."""
    limit(seconds, memory_bytes)
    warnings.simplefilter("ignore")  # openpyxl's, about what it leaves out
    try:
        found = _read(sys.stdin.buffer.read(), max_characters)
    except MemoryError:
        found = {"error": "too large"}
    except Exception:  # noqa: BLE001 - the libraries raise of every kind for broken files
        found = {"error": "broken"}
    sys.stdout.write(json.dumps(found))


def _read(content: bytes, max_characters: int) -> dict[str, Any]:
    if content.startswith(_OLD_FORMAT):
        old = "is in an old binary format of Office; save it as .docx or .xlsx"
        return {"error": "encrypted" if _ENCRYPTED in content else old}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
            return {"error": "too large"}  # no part is read further than it says that it goes
        names = set(archive.namelist())
        title = _title(archive) if _CORE in names else None
    if "word/document.xml" in names:
        return {"title": title, "html": clean(_word(content)[:max_characters])}
    if "xl/workbook.xml" in names:
        return {"title": title, "sheets": _excel(content, max_characters)}
    return {"error": "is an archive, not a document"}


def _title(archive: zipfile.ZipFile) -> str | None:
    from xml.etree import ElementTree as ET

    title = ET.fromstring(archive.read(_CORE)).findtext(_TITLE)  # noqa: S314 - in a process with limits
    return clean(title).strip() or None if title else None


def _word(content: bytes) -> str:
    import mammoth

    ignored = mammoth.images.img_element(_no_attributes)
    page: str = mammoth.convert_to_html(io.BytesIO(content), convert_image=ignored).value
    return page


def _no_attributes(_image: object) -> dict[str, str]:
    return {}


def _excel(content: bytes, max_characters: int) -> list[list[str]]:
    """Each sheet's name and its rows, cells set apart by tabs."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    sheets: list[list[str]] = []
    room = max_characters
    for sheet in book.worksheets:
        lines: list[str] = []
        for line in _rows(sheet):
            if room <= 0:
                break
            lines.append(line[:room])
            room -= len(line) + 1
        sheets.append([clean(str(sheet.title)), "\n".join(lines)])
    return sheets


def _rows(sheet: Any) -> Iterator[str]:
    for row in sheet.iter_rows(values_only=True):
        cells = ["" if value is None else " ".join(clean(str(value)).split()) for value in row]
        line = "\t".join(cells).rstrip("\t")
        if line:
            yield line


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
