"""What kind of content a file holds, judged by its name and its bytes, the same on every machine."""

from __future__ import annotations

import codecs
import mimetypes
import re

from shared.domain.errors import Fault

BINARY = "application/octet-stream"
PLAIN = "text/plain"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""Source: https://www.rfc-editor.org/rfc/rfc6838#section-4.2"""

# Only Python's own table: the system's mime.types would make the answer depend on the machine.
_BY_NAME = mimetypes.MimeTypes(filenames=())
for _extension, _type in {
    ".cfg": PLAIN,
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".go": "text/x-go",
    ".ini": PLAIN,
    ".java": "text/x-java",
    ".jsonl": "application/jsonl",
    ".jsx": "text/javascript",
    ".lock": PLAIN,
    ".log": PLAIN,
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".rs": "text/x-rust",
    ".rules": PLAIN,
    ".sql": "application/sql",
    ".tf": PLAIN,
    ".toml": "application/toml",
    ".ts": "text/typescript",
    ".tsx": "text/typescript",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}.items():
    _BY_NAME.add_type(_type, _extension)

_TEXTUAL = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/jsonl",
        "application/sql",
        "application/toml",
        "application/x-csh",
        "application/x-latex",
        "application/x-sh",
        "application/x-tcl",
        "application/x-tex",
        "application/xml",
        "application/yaml",
    }
)
_NEVER_TEXT = frozenset({"application/gzip", "application/pdf", "application/zip"})
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)


def decode_text(content: bytes) -> str | None:
    """The text of a file, or None where it is binary.

    Text is UTF-8, or UTF-16 with a byte order mark, without NUL characters.
    """
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def media_type_in(content_type: str | None) -> str:
    """The media type in a `Content-Type`, without parameters, in lower case; empty where there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def detect_media_type(name: str, content: bytes) -> str:
    """The media type: what the name says, where the bytes do not contradict it."""
    for magic, found in _MAGIC:
        if content.startswith(magic) and (found == "application/pdf" or not _named(name)):
            return found
    named = _named(name)
    if decode_text(content) is None:
        return BINARY if named is None or is_textual(named) else named
    return named if named is not None and is_textual(named) else PLAIN


def is_textual(media_type: str) -> bool:
    """Whether content of this type is text."""
    return media_type.startswith("text/") or media_type in _TEXTUAL or media_type.endswith(("+json", "+xml"))


def is_binary(media_type: str) -> bool:
    """Whether content of this type is certainly not text; of others the bytes must decide."""
    return not is_textual(media_type) and (
        media_type.startswith(("audio/", "font/", "image/", "video/")) or media_type in _NEVER_TEXT
    )


def _named(name: str) -> str | None:
    guess, encoding = _BY_NAME.guess_type(f"file:///{name}", strict=True)
    return "application/gzip" if encoding == "gzip" else BINARY if encoding else guess


def media_type_fault(text: object) -> Fault | None:
    """What is wrong with what somebody calls a media type; None if nothing is.

    Media types are stored in lower case, without parameters.
    """
    if isinstance(text, str) and _MEDIA_TYPE.fullmatch(text):
        return None
    return Fault("mime_type", "is not a media type", "Such as text/markdown, in lower case.")
