"""The tool `file_edit`."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import islice
from typing import Any

from shared.adapters.tools.workspace import Workspace, text_of
from shared.domain.errors import FailedPrecondition, InvalidArgument
from shared.domain.ids import hashed_id
from shared.domain.tool_arguments import FileEditArguments
from shared.usecases.artifacts.edit_artifact import Edit, edit_artifact
from shared.usecases.artifacts.get_artifact import ArtifactContent

_NAMED_LINES = 5
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


async def file_edit(arguments: FileEditArguments, workspace: Workspace) -> dict[str, Any]:
    """Replace the passage, and say which version has it now."""
    if arguments.old_text == arguments.new_text:
        raise InvalidArgument("old_text and new_text are the same, so there is nothing to change.")
    edit = Edit(
        session_id=workspace.session_id,
        name=arguments.path,
        mark=hashed_id(workspace.author, workspace.call)[:16],
        created_by=workspace.author,
        change=lambda file: _edited(file, arguments),
    )
    head = await edit_artifact(workspace.documents, workspace.clock, edit)
    return {"path": head.name, "version": head.head, "size_bytes": head.size_bytes}


def _edited(file: ArtifactContent, arguments: FileEditArguments) -> bytes:
    text = text_of(file)
    old, new = arguments.old_text, arguments.new_text
    if old not in text and "\r\n" in text and "\r" not in old:
        # A model sees the lines of the file, and not how they end.
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    count = text.count(old)
    if count == 0:
        raise FailedPrecondition(_missing(file, text, old))
    if count > 1 and not arguments.replace_all:
        lines = ", ".join(str(line) for line in islice(_lines(text, old), _NAMED_LINES))
        raise FailedPrecondition(
            f"old_text occurs {count} times in {file.artifact.name!r} (from lines {lines}"
            f"{', …' if count > _NAMED_LINES else ''}), so it is not clear which one is meant. "
            "Give more of the text around it, or set replace_all."
        )
    return _encoded(text.replace(old, new), file.content)


def _missing(file: ArtifactContent, text: str, old: str) -> str:
    """Why nothing was found, as far as that can be told."""
    where = f"old_text does not occur in {file.artifact.name!r} (version {file.artifact.version})."
    if " ".join(old.split()) in " ".join(text.split()):
        return f"{where} It would with other spaces, indentation or line breaks: copy it exactly from file_read."
    if old.casefold() in text.casefold():
        return f"{where} It would with capitals and small letters exchanged: copy it exactly from file_read."
    return f"{where} Nothing was changed; read the file again."


def _lines(text: str, part: str) -> Iterator[int]:
    """The numbers of the lines in which `part` begins."""
    place = text.find(part)
    while place >= 0:
        yield text.count("\n", 0, place) + 1
        place = text.find(part, place + len(part))


def _encoded(text: str, before: bytes) -> bytes:
    """The text in the encoding that the file had."""
    for bom, encoding in _BOMS:
        if before.startswith(bom):
            return bom + text.encode(encoding)
    return text.encode()
