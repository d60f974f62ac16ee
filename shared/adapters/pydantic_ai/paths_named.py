"""Which files a text names."""

from __future__ import annotations

import re

# Prompts may hold whole files: every pattern here has a bounded start, or a long line would cost its square.
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.\S+", re.IGNORECASE)
_SET_APART = (
    re.compile(r"[`\"'<](?P<path>[\w@+./-]{1,200})[`\"'>]"),
    re.compile(r"\b(?:file|path)s?:?\s+(?P<path>[\w@+./-]*\w)", re.IGNORECASE),
    re.compile(r"^[-*\s]*(?P<path>[\w@+./-]+)\s*$", re.MULTILINE),
)
_TOKEN = re.compile(r"(?<![\w/.@-])\.{0,2}/?(?:[\w@+.-]+/)*[\w@+.-]*\w")
_WITH_SUFFIX = re.compile(r"(?:.*/)?[\w@+.-]*[\w@+-]\.[A-Za-z][A-Za-z0-9_]{0,9}")
_FOLDER_AND_NAME = re.compile(r"(?:[\w@+.-]+/)+[\w@+.-]*\w")
_HIDDEN = re.compile(r"\.[a-z][\w.-]+\w")
_BARE_NAMES = frozenset({"Dockerfile", "LICENSE", "Makefile", "NOTICE", "Procfile", "README", "CHANGELOG", "AUTHORS"})
_NO_FILES = frozenset({"e.g", "i.e", "etc.", "a.k.a", "node.js", "vue.js", "next.js", "p.s"})
_ALTERNATIVES = frozenset({"and/or", "client/server", "either/or", "input/output", "read/write", "yes/no"})
_DOMAINS = re.compile(r"[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev|ai|edu|gov)")


def paths_named(text: str) -> list[str]:
    """The paths in `text`, such as src/app.py, each once, in order.

    A name with a suffix counts anywhere. One without (`scripts/demo`) counts if it is quoted, stands alone in its
    line or follows the word "file" or "path", and anywhere if nothing else in the text is a path.
    """
    text = _ADDRESS.sub(" ", text)
    tokens = [match for match in _TOKEN.finditer(text) if match[0].casefold() not in _ALTERNATIVES]
    apart = [match for pattern in _SET_APART for match in pattern.finditer(text) if _is_path(match["path"])]
    sure = [match for match in tokens if _has_suffix(match[0]) or match[0] in _BARE_NAMES]
    named = [*sure, *apart] or [match for match in tokens if _FOLDER_AND_NAME.fullmatch(match[0])]
    found: dict[str, None] = {}
    for match in sorted(named, key=lambda match: match.start(match.lastgroup or 0)):
        path = match[match.lastgroup or 0].removeprefix("./").strip("/")
        if path and ".." not in path.split("/"):
            found[path] = None
    return list(found)


def _has_suffix(token: str) -> bool:
    return (
        _WITH_SUFFIX.fullmatch(token) is not None
        and token.casefold() not in _NO_FILES
        and _DOMAINS.fullmatch(token.casefold()) is None
    )


def _is_path(text: str) -> bool:
    """Whether a text as a whole is a path: a folder or a suffix in it, a hidden file, or a well-known name."""
    patterns = (_FOLDER_AND_NAME, _HIDDEN)
    return _has_suffix(text) or text in _BARE_NAMES or any(pattern.fullmatch(text) for pattern in patterns)
