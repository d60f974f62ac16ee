"""Names of artifacts: relative paths in one normal form, safe to show and to use as document ids."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from shared.domain.document_limits import MAX_ID_BYTES
from shared.domain.errors import Fault, InvalidArgument

MAX_NAME_BYTES = 512

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SHOWN_CHARACTERS = 80
_SAME_AS_ENCODE_URI_COMPONENT = "!'()*"


def artifact_name(path: str) -> str:
    """The normal form of a relative path: NFC, no empty and no `.` segments.

    Raises:
        InvalidArgument: with every fault of the path at once.
    """
    name = _normalised(path)
    reasons = [*_character_faults(path), *_shape_faults(path, name)]
    if reasons:
        raise InvalidArgument(
            f"{_shown(path)} is not a file name: it {', and it '.join(reasons)}.",
            tuple(Fault("name", reason) for reason in reasons),
        )
    return name


def artifact_id(name: str) -> str:
    """The document id of an artifact: its name as JavaScript's encodeURIComponent has it.

    Firestore reserves ids of the form `__…__`: of those the first character is encoded too.
    """
    encoded = quote(name, safe=_SAME_AS_ENCODE_URI_COMPONENT, errors="replace")
    reserved = encoded.startswith("__") and encoded.endswith("__")
    return f"%5F{encoded[1:]}" if reserved else encoded


def _normalised(path: str) -> str:
    segments = unicodedata.normalize("NFC", path).split("/")
    return "/".join(segment for segment in segments if segment not in {"", "."})


def _character_faults(path: str) -> list[str]:
    categories = {unicodedata.category(character) for character in path}
    found: list[str] = []
    if categories & {"Cc", "Zl", "Zp"}:
        found.append("contains control characters")
    if "Cs" in categories:
        found.append("contains half of a surrogate pair")
    if _BIDI & set(path):
        found.append("contains characters that change the writing direction")
    if "\\" in path:
        found.append("contains a backslash; folders are separated by '/'")
    return found


def _shape_faults(path: str, name: str) -> list[str]:
    found: list[str] = []
    if not name:
        found.append("is empty")
    if path.startswith("/"):
        found.append("starts with '/'; paths are relative to the workspace")
    if ".." in path.split("/"):
        found.append("contains '..'")
    if path.endswith(("/", "/.")):
        found.append("ends like a folder")
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        found.append(f"is longer than {MAX_NAME_BYTES} bytes")
    elif len(artifact_id(name)) > MAX_ID_BYTES:
        found.append(f"is longer than {MAX_ID_BYTES} bytes in percent-encoding")
    return found


def _shown(path: str) -> str:
    """The path in ASCII, so that what makes it unsafe does no harm in a message."""
    return ascii(path if len(path) <= _SHOWN_CHARACTERS else f"{path[:_SHOWN_CHARACTERS]}…")
