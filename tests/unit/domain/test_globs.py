"""Globs as linear-time expressions, tried with RE2 itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.tools.linear_expressions import compile_search
from shared.domain.errors import InvalidArgument
from shared.domain.globs import glob_expression, literal_prefix

PATHS = [
    "README.md",
    "docs/api/index.md",
    "docs/index.md",
    "src/__init__.py",
    "src/app.py",
    "src/web/app.tsx",
    "src2/app.py",
    "x[1].txt",
    "ü.txt",
]


def matches(glob: str, path: str) -> bool:
    return compile_search(glob_expression(glob))(path) is not None


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("**", PATHS),
        ("*", PATHS),
        (".", PATHS),
        ("./", PATHS),
        ("/", PATHS),
        ("*.md", ["README.md", "docs/api/index.md", "docs/index.md"]),
        ("/*.md", ["README.md"]),
        ("./*.md", ["README.md"]),
        ("**/*.md", ["README.md", "docs/api/index.md", "docs/index.md"]),
        ("docs/*.md", ["docs/index.md"]),
        ("docs/**", ["docs/api/index.md", "docs/index.md"]),
        ("docs/**/index.md", ["docs/api/index.md", "docs/index.md"]),
        ("docs/*/", ["docs/api/index.md"]),
        ("docs", ["docs/api/index.md", "docs/index.md"]),
        ("docs/", ["docs/api/index.md", "docs/index.md"]),
        ("src/app.py", ["src/app.py"]),
        ("app.py", ["src/app.py", "src2/app.py"]),
        ("src?/*", ["src2/app.py"]),
        ("*.{py,tsx}", ["src/__init__.py", "src/app.py", "src/web/app.tsx", "src2/app.py"]),
        ("src/__*__.py", ["src/__init__.py"]),
        ("[A-Z]*.md", ["README.md"]),
        ("[!A-Z]*.md", ["docs/api/index.md", "docs/index.md"]),
        ("x[[]1].txt", ["x[1].txt"]),
        ("u\u0308.txt", ["ü.txt"]),
        ("{", []),
        ("[]", []),
        ("README.MD", []),
    ],
)
def test_a_glob_finds_the_paths_that_it_describes(glob: str, found: list[str]) -> None:
    assert [path for path in PATHS if matches(glob, path)] == found


@given(st.text(alphabet="ab/*?[]{},!-.\\^", max_size=20), st.text(alphabet="ab/.-", min_size=1, max_size=12))
def test_every_match_starts_with_the_literal_prefix_by_which_a_query_selects(glob: str, path: str) -> None:
    try:
        found = matches(glob, path)
    except InvalidArgument:
        return  # such as [b-a], which the tool reports

    assert not found or path.startswith(literal_prefix(glob))


@given(st.lists(st.text(alphabet="ab.-é", min_size=1).filter(lambda name: name not in {".", ".."}), min_size=1))
def test_a_path_is_a_glob_that_matches_itself(segments: list[str]) -> None:
    path = "/".join(segments)

    assert matches(path, path)
    assert path.startswith(literal_prefix(path))
