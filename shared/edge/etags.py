"""Entity tags of versioned things: the number of the version, in quotes.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
"""

from __future__ import annotations

import re

from shared.domain.errors import Fault, InvalidArgument

_TAG = re.compile(r'"(\d{1,18})"')


def etag_of(number: int) -> str:
    """The entity tag of version `number`."""
    return f'"{number}"'


def expected_version(if_match: str | None) -> int | None:
    """The version that an `If-Match` header demands; None where any will do.

    Raises:
        InvalidArgument: the header is not one entity tag of ours, nor `*`.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        reason = "must be the ETag of an earlier answer, in quotes"
        raise InvalidArgument("If-Match is not valid.", (Fault("header.if-match", reason, '"3"'),))
    return int(found[1])


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether the caller has this version already, by its `If-None-Match` header."""
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or "*" in known
