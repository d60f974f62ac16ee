"""Glob patterns over paths, translated to regular expressions that RE2 accepts, so matching takes linear time.

`*` and `?` stay within a folder, `**` crosses folders, `[a-z]` and `[!a-z]` are one character, `{a,b}` is either.
A pattern without `/` matches in every folder; one that starts with `/` or `./` only from the top. A pattern without
wildcards matches a file, or all files below a folder. What has no meaning, such as an open bracket, stands for itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_TOKEN = re.compile(
    r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<rest>\*\*)|(?P<star>\*)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?[^]/]*)\]|\{(?P<either>[^{}]*)\}|(?P<text>.)",
    re.DOTALL,
)
_MAGIC = re.compile(r"[*?\[{]")


def glob_expression(glob: str) -> str:
    """A regular expression that matches a whole path (anchored) exactly where the glob does."""
    anchored = _anchored(glob)
    below = "" if _MAGIC.search(glob) or anchored == "**" else "(?:/.*)?"
    return rf"\A(?s:{''.join(_expressions(anchored))}{below})\z"


def literal_prefix(glob: str) -> str:
    """Text with which every path that the glob matches starts; what a query can select by."""
    anchored = _anchored(glob)
    magic = _MAGIC.search(anchored)
    return anchored if magic is None else anchored[: magic.start()]


def _anchored(glob: str) -> str:
    pattern = unicodedata.normalize("NFC", glob)
    top = pattern.startswith(("/", "./"))
    pattern = pattern.removeprefix(".").lstrip("/") if top else pattern
    pattern = f"{pattern}**" if pattern.endswith("/") and _MAGIC.search(pattern) else pattern.rstrip("/")
    if pattern in {"", "."}:
        return "**"
    return pattern if top or "/" in glob.rstrip("/") else f"**/{pattern}"


def _expressions(glob: str) -> Iterator[str]:
    for token in _TOKEN.finditer(glob):
        match token.lastgroup:
            case "folders":
                yield "(?:.*/)?"
            case "rest":
                yield ".*"
            case "star":
                yield "[^/]*"
            case "one":
                yield "[^/]"
            case "set":
                yield _character_set(token["not"], token["set"])
            case "either":
                branches = token["either"].split(",")
                yield f"(?:{'|'.join(''.join(_expressions(branch)) for branch in branches)})"
            case _:
                yield re.escape(token["text"])


def _character_set(negated: str, members: str) -> str:
    if not members:
        return re.escape(f"[{negated}]")
    escaped = "".join(f"\\{c}" if c in "\\]^&~|[" else c for c in members)
    return f"[^/{escaped}]" if negated else f"[{escaped}]"
