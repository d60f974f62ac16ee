"""What texts in a definition may hold: nothing that hides, disguises, or breaks out of where it is shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.errors import Fault
from shared.domain.records import to_json

MAX_METADATA_CHARACTERS = 16_384
MAX_TAGS = 20
MAX_TAG_CHARACTERS = 64

_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ufff9-\ufffb\U000e0000-\U000e007f]")
"""Control characters, forced reading directions, and letters that no one sees but a model reads."""

_JOINERS = "\u200c\u200d"  # belong to the spelling of some languages, and to emoji


def text_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Characters that do not belong where they are, and metadata that is too long."""
    for path, text, is_name in _texts((), raw):
        if text.isascii() and text.isprintable():
            continue
        found = _hidden_in_name(text) if is_name else _IN_TEXT.search(text)
        if found:
            place = f"U+{ord(found[0]):04X} at character {found.start() + 1}"
            what = "a character that is invisible or changes how text reads" if is_name else "a control character"
            yield Fault(".".join(path), f"has {what}: {place}", _without(text, is_name=is_name) or None)
    for path in (("display_name",), ("version",), ("metadata", "category")):
        yield from _blank_faults(path, raw)
    yield from _metadata_faults(raw.get("metadata"))


def _metadata_faults(metadata: Any) -> Iterator[Fault]:
    if not isinstance(metadata, dict):
        return
    metadata = cast("dict[str, Any]", metadata)
    yield from _tag_faults(metadata.get("tags", []))
    category = metadata.get("category")
    if category is not None and not isinstance(category, str):
        yield Fault("metadata.category", "must be text")
    elif category is not None and len(category) > MAX_TAG_CHARACTERS:
        yield Fault("metadata.category", f"must have at most {MAX_TAG_CHARACTERS} characters")
    if len(to_json(metadata)) > MAX_METADATA_CHARACTERS:
        yield Fault("metadata", f"must have at most {MAX_METADATA_CHARACTERS:,} characters as JSON")


def _tag_faults(tags: Any) -> Iterator[Fault]:
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in cast("list[Any]", tags)):
        yield Fault("metadata.tags", "must be a list of texts")
        return
    if len(cast("list[str]", tags)) > MAX_TAGS:
        yield Fault("metadata.tags", f"must be {MAX_TAGS} at most")
    for position, tag in enumerate(cast("list[str]", tags[:MAX_TAGS])):
        if not tag.strip() or len(tag) > MAX_TAG_CHARACTERS:
            yield Fault(f"metadata.tags.{position}", f"must have from 1 to {MAX_TAG_CHARACTERS} characters")


def _texts(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Every text and key, with its path, and whether people take it for a name."""
    if isinstance(value, str):
        yield path, value, _is_name(path)
    elif isinstance(value, dict):
        for key, below in cast("dict[str, Any]", value).items():
            yield (*path, key), key, True
            yield from _texts((*path, key), below)
    elif isinstance(value, list):
        for position, below in enumerate(cast("list[Any]", value)):
            yield from _texts((*path, str(position)), below)


def _is_name(path: tuple[str, ...]) -> bool:
    return path in {("name",), ("display_name",), ("version",), ("metadata", "category")} or path[:2] == (
        "metadata",
        "tags",
    )


def _blank_faults(path: tuple[str, ...], raw: Mapping[str, Any]) -> Iterator[Fault]:
    value: Any = raw
    for step in path:
        value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
    if isinstance(value, str) and not value.strip():
        yield Fault(".".join(path), "must not be blank; leave it out instead")


def _hidden_in_name(text: str) -> re.Match[str] | None:
    return next((found for found in re.finditer(r"(?s).", text) if _is_hidden(found[0])), None)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"} and character not in _JOINERS


def _without(text: str, *, is_name: bool) -> str:
    """The text without what does not belong in it, if it is short enough to suggest."""
    if len(text) > MAX_TAG_CHARACTERS:
        return ""
    return "".join(one for one in text if not _is_hidden(one)) if is_name else _IN_TEXT.sub("", text)
