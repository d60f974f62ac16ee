"""Files that tool results show: bytes in what a model is asked, references in what is kept.

A model sees a file in the turn in which a tool shows it. Later turns have the reference in its place, which tells the
model what it has seen; whoever takes the turn over loads the file again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic_ai.messages import BinaryContent, ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.models import Model

from shared.adapters.pydantic_ai.callbacks import Callbacks
from shared.domain.records import parse
from shared.domain.tools import Attachment, ToolResult

SHOWN = "shown_file"
"""The key that marks a reference: `{"shown_file": {"name", "version", "mime_type"}}`."""
NOT_SHOWN = "You cannot see this file: the model that runs you takes no such files. Go by what is known of it."
_IMAGES = "image/"


def sees(model: object, attachment: Attachment) -> bool:
    """Whether a file can be sent to the model: images and documents are capabilities of their own."""
    if not isinstance(model, Model):
        return False
    profile = cast("Model[Any]", model).profile
    if attachment.mime_type.startswith(_IMAGES):
        return bool(profile.get("supports_image_input", True))
    return bool(profile.get("supports_document_input", True))


async def show_files(result: ToolResult, caller: Callbacks, model: object) -> Any:
    """What a tool returns to the model: its content, and the files that it shows."""
    if not result.attachments:
        return result.content
    files = [await _load(attachment, caller) for attachment in result.attachments if sees(model, attachment)]
    shown = [file for file in files if file is not None]
    return [result.content, *shown] if shown else [result.content, NOT_SHOWN]


def without_files(request: ModelRequest) -> ModelRequest:
    """The request with a reference for each file."""
    return replace(request, parts=[_without(part) for part in request.parts])


async def with_files(messages: Iterable[ModelMessage], caller: Callbacks) -> list[ModelMessage]:
    """The messages with the files that were shown in them; one that is gone stays a reference."""
    return [await _restored(message, caller) if isinstance(message, ModelRequest) else message for message in messages]


def _without(part: Any) -> Any:
    items = _items(part)
    if items is None:
        return part
    return replace(part, content=[_reference(item) if isinstance(item, BinaryContent) else item for item in items])


def _reference(file: BinaryContent) -> dict[str, Any]:
    name, _, version = file.identifier.rpartition("@")
    return {SHOWN: {"name": name, "version": int(version), "mime_type": file.media_type}}


async def _restored(request: ModelRequest, caller: Callbacks) -> ModelRequest:
    parts: list[Any] = []
    for part in request.parts:
        items = _items(part)
        content = None if items is None else [await _item(item, caller) for item in items]
        parts.append(part if content is None else replace(cast("Any", part), content=content))
    return replace(request, parts=parts)


def _items(part: object) -> Sequence[Any] | None:
    """What a tool returned, if it is a list: files are items of one."""
    content: object = cast("ToolReturnPart[Any]", part).content if isinstance(part, ToolReturnPart) else None
    return cast("Sequence[Any]", content) if isinstance(content, list) else None


async def _item(item: object, caller: Callbacks) -> object:
    attachment = _referred(item)
    return item if attachment is None else await _load(attachment, caller) or item


def _referred(item: object) -> Attachment | None:
    """The file that a reference stands for."""
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", item) if isinstance(item, Mapping) else {}
    reference: object = fields.get(SHOWN)
    if len(fields) != 1 or not isinstance(reference, Mapping):
        return None
    try:
        return parse(Attachment, cast("Mapping[str, Any]", reference))
    except ValueError:
        return None  # a tool's own words that look like a reference


async def _load(attachment: Attachment, caller: Callbacks) -> BinaryContent | None:
    file = await caller.show(attachment)
    if file is None:
        return None
    return BinaryContent(file.content, media_type=file.mime_type, identifier=f"{attachment.name}@{attachment.version}")
