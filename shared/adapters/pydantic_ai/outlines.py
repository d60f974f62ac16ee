"""What a text file is, at a glance: its kind, its own first words, its parts, and what deserves a look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from shared.adapters.pydantic_ai.purposes import purpose, shortened

LONGEST_LINE = 160
LONG_FILE_LINES = 400
LONG_FUNCTION_LINES = 50

_KINDS = {
    ".py": "Python", ".pyi": "Python", ".js": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript",
    ".ts": "TypeScript", ".tsx": "TypeScript", ".jsx": "JavaScript", ".md": "Markdown", ".rst": "text",
    ".txt": "text", ".toml": "TOML", ".ini": "INI", ".cfg": "INI", ".yaml": "YAML", ".yml": "YAML",
    ".json": "JSON", ".html": "HTML", ".css": "CSS", ".sh": "shell", ".go": "Go", ".rs": "Rust", ".java": "Java",
    ".c": "C", ".h": "C", ".cpp": "C++", ".rb": "Ruby", ".sql": "SQL", ".tf": "Terraform", ".rules": "rules",
    ".proto": "Protocol Buffers", ".csv": "CSV", ".lock": "lock file",
}  # fmt: skip

_PARTS: dict[str, re.Pattern[str]] = {
    "Python": re.compile(r"( {0,4})(?:async )?(?:def|class) (\w+)"),
    "JavaScript": re.compile(r"()(?:export )?(?:default )?(?:async )?(?:function\*?|class|const) (\w+)"),
    "TypeScript": re.compile(
        r"()(?:export )?(?:default )?(?:abstract )?(?:async )?(?:function|class|interface|type|enum|const) (\w+)"
    ),
    "Markdown": re.compile(r"()#{1,4} (.+?)\s*#*$"),
    "shell": re.compile(r"()(?:function )?(\w+) ?\(\)"),
    "TOML": re.compile(r"()\[+([^\]]+)\]+"),
    "INI": re.compile(r"()\[([^\]]+)\]"),
    "YAML": re.compile(r"()([\w.-]+):(?:\s|$)"),
    "JSON": re.compile(r'( {2}|\t)"([^"]+)":'),
    "Go": re.compile(r"()(?:func(?: \([^)]*\))?|type) (\w+)"),
    "Rust": re.compile(r"()(?:pub(?:\([^)]*\))? )?(?:async )?(?:fn|struct|enum|trait|mod) (\w+)"),
    "Terraform": re.compile(r'()(?:resource|module|variable|output|data) "?([^{]+?)"? *\{'),
    "rules": re.compile(r"( *)(?:match|function) ([^\s(]+)"),
    "SQL": re.compile(r"()(?i:create \w+(?: if not exists)?) (\w+)"),
}

_CONCERNS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"(?:#|//|/\*|\*|--|<!--|^)\s*(?:TODO|FIXME|HACK|XXX)\b"), "left to do"),
    (re.compile(r"^\s*except\s*:|^\s*except BaseException:\s*(?:pass)?$"), "catches everything"),
    (re.compile(r"\b(?:eval|exec)\("), "executes text as code"),
    (re.compile(r"shell=True|os\.system\("), "goes through a shell"),
    (re.compile(r"verify=False|rejectUnauthorized:\s*false"), "switches certificate checks off"),
    (
        re.compile(r"(?i)\b(?:password|passwd|secret|api_?key|token)\b\s*[:=]\s*[\"'][^\"'$<{]{8,}[\"']"),
        "may hold a secret",
    ),
    (re.compile(r"allow\s+(?:read|write)[^;]*:\s*if\s+true"), "lets everybody in"),
    (re.compile(r"\.innerHTML\s*="), "writes HTML from text"),
)
_SHEBANG = re.compile(r"^#!")


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of a file: a definition, a heading, a section."""

    line: int
    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Concern:
    """A line that deserves a look."""

    line: int
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Outline:
    """A file at a glance.

    Args:
        kind: the language or format.
        lines: how many.
        characters: how many.
        purpose: what it says of itself; empty if it says nothing.
        parts: its parts, in order.
        concerns: what deserves a look, in order.
    """

    kind: str
    lines: int
    characters: int
    purpose: str
    parts: tuple[Part, ...]
    concerns: tuple[Concern, ...]


def outline(path: str, text: str) -> Outline:
    """The outline of the file `path` that contains `text`."""
    lines = text.splitlines()
    kind = _kind(path, lines)
    parts = tuple(_parts(kind, lines))
    concerns = sorted([*_concerns(kind, lines), *_long_functions(kind, lines, parts)], key=lambda concern: concern.line)
    return Outline(kind, len(lines), len(text), purpose(kind, text), parts, tuple(concerns))


def _kind(path: str, lines: Sequence[str]) -> str:
    known = _KINDS.get(PurePosixPath(path).suffix.lower())
    if known is not None:
        return known
    if lines and _SHEBANG.match(lines[0]):
        return "Python" if "python" in lines[0] else "JavaScript" if "node" in lines[0] else "shell"
    return "text"


def _parts(kind: str, lines: Sequence[str]) -> Iterator[Part]:
    pattern = _PARTS.get(kind)
    fenced = False
    for number, line in enumerate(lines, start=1):
        if kind == "Markdown" and line.lstrip().startswith("```"):
            fenced = not fenced
        if pattern is not None and not fenced and (found := pattern.match(line)):
            depth = line.index(" ") if kind == "Markdown" else len(found[1])
            yield Part(number, found[2].strip(), depth)


def _concerns(kind: str, lines: Sequence[str]) -> Iterator[Concern]:
    if len(lines) > LONG_FILE_LINES and kind not in {"lock file", "CSV", "JSON"}:
        yield Concern(1, f"a long file: {len(lines)} lines", "")
    wide = [number for number, line in enumerate(lines, start=1) if len(line) > LONGEST_LINE]
    if wide and kind not in {"Markdown", "text", "CSV", "JSON", "lock file"}:
        yield Concern(wide[0], f"{len(wide)} line(s) over {LONGEST_LINE} characters", "")
    for number, line in enumerate(lines, start=1):
        for pattern, why in _CONCERNS:
            if pattern.search(line):
                yield Concern(number, why, shortened(line.strip(), 120))
                break


def _long_functions(kind: str, lines: Sequence[str], parts: Sequence[Part]) -> Iterator[Concern]:
    if kind != "Python":
        return
    for place, part in enumerate(parts):
        if "def " not in lines[part.line - 1]:
            continue
        end = next((later.line for later in parts[place + 1 :] if later.depth <= part.depth), len(lines) + 1)
        length = sum(1 for line in lines[part.line - 1 : end - 1] if line.strip())
        if length > LONG_FUNCTION_LINES:
            yield Concern(part.line, f"{part.name} is long: {length} lines", "")
