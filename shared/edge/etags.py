"""Entity tags of versioned things: what tells a version from others, in quotes.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
"""

from __future__ import annotations


def etag_of(version: int | str) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether the caller has this version already, by its `If-None-Match` header."""
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or "*" in known
