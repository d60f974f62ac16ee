"""The text of what a server answered, in whatever characters it says or seems to be."""

from __future__ import annotations

import codecs
import re

from shared.domain.media_types import decode_text, is_binary
from shared.ports.web_client import WebAnswer

_PARAMETER = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_IN_PAGE = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
_ASSUMED = "windows-1252"  # what browsers take for granted. Source: https://encoding.spec.whatwg.org/
_NOT_FOR_TEXT = frozenset({"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "utf_7"})


def text_of_answer(answer: WebAnswer, *, is_page: bool = False) -> str | None:
    """The answer's text; None where it is binary."""
    if is_binary(answer.media_type):
        return None
    named = _charset(answer, is_page=is_page)
    if named is not None:
        return answer.body.decode(named, "replace").replace("\0", "")
    body = answer.body
    if answer.truncated and not body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body = _whole_characters(body)
    text = decode_text(body)
    if text is None and b"\0" not in body and (is_page or answer.media_type.startswith("text/")):
        return body.decode(_ASSUMED, "replace")
    return text


def _charset(answer: WebAnswer, *, is_page: bool) -> str | None:
    said = _PARAMETER.search(answer.headers.get("content-type", ""))
    inside = _IN_PAGE.search(answer.body[:_HEAD_BYTES]) if is_page and not said else None
    name = said.group(1) if said else inside.group(1).decode() if inside else None
    if name is None:
        return None
    try:
        found = codecs.lookup(name)
        "".encode(found.name)
    except (LookupError, ValueError):  # no such encoding, or one that is not between text and bytes
        return None
    return None if found.name.replace("-", "_") in _NOT_FOR_TEXT else found.name


def _whole_characters(body: bytes) -> bytes:
    """UTF-8 without the character that the cut went through; anything else as it is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(body)
    except UnicodeDecodeError:
        return body
    return body[: len(body) - len(decoder.getstate()[0])]
