"""What a file says of itself, in its first words."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice

LONGEST_PURPOSE = 300
_LOOKED_AT = 80

_COMMENT = re.compile(r"\s*(?:#|//+!?|--|;+|/\*+!?|\*+/?|<!--)\s?(?P<text>.*?)\s*(?:\*/|-->)?\s*$")
_BEFORE_COMMENTS = re.compile(r"#!|\s*$|<\?|<!doctype|['\"]use strict|rules_version|---\s*$|\{\s*$", re.IGNORECASE)
_DESCRIPTION = re.compile(r"\s*\"?(?:description|title)\"?\s*[:=]\s*\"?(?P<text>[^\"{\[>|]{8,}?)\"?,?\s*$")
_HEADING = re.compile(r"#{1,6}\s+(?P<text>.*?)\s*#*$|<h1[^>]*>(?P<html>.*?)</h1>")
_NOISE = re.compile(r"!?\[!?\[?[^\]]*\]?\([^)]*\)\]?\([^)]*\)|<[^>]+>")


def purpose(kind: str, text: str) -> str:
    """The first docstring, comment, description or paragraph; empty if there is none.

    Args:
        kind: the language or format, as `outlines` names it.
        text: the file's text.
    """
    lines = text.splitlines()[:_LOOKED_AT]
    match kind:
        case "Python":
            found = _docstring(text) or _comment(lines)
        case "Markdown" | "text":
            found = _heading_and_paragraph(lines)
        case "JSON" | "TOML" | "YAML":
            found = _comment(lines) or _description(lines)
        case _:
            found = _comment(lines)
    return shortened(" ".join(found.split()), LONGEST_PURPOSE)


def shortened(text: str, longest: int) -> str:
    """The text, cut between words where it is longer."""
    return text if len(text) <= longest else text[: longest - 1].rsplit(" ", 1)[0] + "…"


def _docstring(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the file that is read, not of this one
            found = ast.get_docstring(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return (found or "").split("\n\n", 1)[0]


def _comment(lines: Sequence[str]) -> str:
    return " ".join(_comment_lines(lines))


def _comment_lines(lines: Sequence[str]) -> Iterator[str]:
    begun = False
    for line in lines:
        found = None if line.startswith("#!") else _COMMENT.match(line)
        if found is None:
            if begun or not _BEFORE_COMMENTS.match(line):
                return
        elif found["text"]:
            begun = True
            yield found["text"]
        elif begun:
            return


def _heading_and_paragraph(lines: Sequence[str]) -> str:
    words: list[str] = []
    for line in lines:
        bare = line.strip()
        heading = _HEADING.match(bare)
        if heading and words:
            break
        if heading:
            words.append((heading["text"] or heading["html"]).rstrip(".:") + ":")
            continue
        plain = _NOISE.sub("", bare).strip()
        if plain:
            words.append(plain)
        elif len(words) > 1 or (words and not words[0].endswith(":")):
            break
    return " ".join(words).removesuffix(":")


def _description(lines: Sequence[str]) -> str:
    found = (match["text"] for line in lines if (match := _DESCRIPTION.match(line)))
    return " ".join(islice(found, 1))
