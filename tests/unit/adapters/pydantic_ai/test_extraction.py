"""Paths in a text, outlines of files, and the ranking of passages."""

from __future__ import annotations

import pytest

from shared.adapters.pydantic_ai.outlines import outline
from shared.adapters.pydantic_ai.passages import LONGEST_PASSAGE_LINES, rank, split_passages, terms_of
from shared.adapters.pydantic_ai.paths_named import paths_named


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("Review src/app.py.", ["src/app.py"]),
        ("Compare a.py with lib/b.py, then a.py again", ["a.py", "lib/b.py"]),
        ("Review scripts/demo", ["scripts/demo"]),
        ("Look at `LICENSE` and 'x/y' (docs/z.md); file: .gitignore", ["LICENSE", "x/y", "docs/z.md", ".gitignore"]),
        ("- .ci/run\n- a word\n- package-lock.json", [".ci/run", "package-lock.json"]),
        ("./run.sh", ["run.sh"]),
        ("../../secret.txt", []),
        ("see https://example.com/a.py or me@example.org", []),
        ("e.g. Node.js v1.2, 3.11, and/or example.com", []),
        ("What is a loom?", []),
        ("docs/Über-uns.md", ["docs/Über-uns.md"]),
    ],
)
def test_paths_are_found_where_a_reader_would_see_them(text: str, paths: list[str]) -> None:
    assert paths_named(text) == paths


@pytest.mark.parametrize(
    ("path", "text", "kind", "purpose", "parts"),
    [
        ("a.py", '"""Does it.\n\nAt length."""\nclass A:\n    def b(self): ...\n', "Python", "Does it.", ["A", "b"]),
        ("a.py", "# Does it\n# well.\n\nx = 1\n", "Python", "Does it well.", []),
        ("broken.py", "# Tries.\ndef f(:\n", "Python", "Tries.", ["f"]),
        ("run", "#!/usr/bin/env bash\n# Runs it.\nset -e\nsay() { :; }\n", "shell", "Runs it.", ["say"]),
        ("tool", "#!/usr/bin/env python3\nimport os\n", "Python", "", []),
        (
            "a.md",
            "\n# Title\n\nFirst words.\n\n```sh\n# not a heading\n```\n## More\n",
            "Markdown",
            "Title: First words.",
            ["Title", "More"],
        ),
        ("a.mjs", "// Serves.\nexport async function go() {}\n", "JavaScript", "Serves.", ["go"]),
        ("a.ts", "/**\n * Types of it.\n */\nexport interface Thing {}\n", "TypeScript", "Types of it.", ["Thing"]),
        (
            "p.json",
            '{\n  "name": "x",\n  "description": "A small thing."\n}\n',
            "JSON",
            "A small thing.",
            ["name", "description"],
        ),
        (
            "p.toml",
            '[project]\ndescription = "A small thing."\n[tool.x]\n',
            "TOML",
            "A small thing.",
            ["project", "tool.x"],
        ),
        ("c.yaml", "# Settings.\nname: x\nlist:\n  - a\n", "YAML", "Settings.", ["name", "list"]),
        ("notes.txt", "Some words\nof mine.\n\nMore.\n", "text", "Some words of mine.", []),
        (
            "f.rules",
            "rules_version = '2';\n// Who may read.\nservice x {\n  match /a/{b} {\n",
            "rules",
            "Who may read.",
            ["/a/{b}"],
        ),
    ],
)
def test_an_outline_tells_kind_purpose_and_parts(
    path: str, text: str, kind: str, purpose: str, parts: list[str]
) -> None:
    found = outline(path, text)
    assert (found.kind, found.purpose, [part.name for part in found.parts]) == (kind, purpose, parts)


@pytest.mark.parametrize(
    ("path", "line", "why"),
    [
        ("a.py", "    except:", "catches everything"),
        ("a.py", "result = eval(text)", "executes text as code"),
        ("a.py", 'API_KEY = "abcdefgh12345"', "may hold a secret"),
        ("a.js", "box.innerHTML = text", "writes HTML from text"),
        ("f.rules", "allow read, write: if true;", "lets everybody in"),
        ("a.py", "# FIXME later", "left to do"),
        ("a.py", "x" * 200, "1 line(s) over 160 characters"),
        ("a.py", "\n" * 401, "a long file: 401 lines"),
        ("a.py", "def f():\n" + "    x = 1\n" * 60, "f is long: 61 lines"),
    ],
)
def test_what_deserves_a_look_is_named(path: str, line: str, why: str) -> None:
    assert [concern.why for concern in outline(path, line).concerns] == [why]


@pytest.mark.parametrize("line", ["password = read_password()", 'token = "${TOKEN}"', "evaluate(x)", "the TODO list"])
def test_harmless_lines_are_left_alone(line: str) -> None:
    assert outline("a.py", line).concerns == ()


def test_passages_are_paragraphs_with_their_headings_and_never_too_long() -> None:
    text = "# A\n\nb\nc\n\n" + "x\n" * 30 + "\n# end"
    passages = split_passages(text)
    assert [(passage.start, passage.end) for passage in passages] == [(1, 4), (6, 17), (18, 29), (30, 35), (37, 37)]
    assert max(passage.end - passage.start + 1 for passage in passages) == LONGEST_PASSAGE_LINES
    assert passages[0].text == "# A\n\nb\nc"


def test_rarer_and_more_terms_rank_higher() -> None:
    text = "loom\n\nloom shuttle\n\nloom loom loom\n\nnothing\n"
    best = rank(split_passages(text), terms_of("a loom's shuttles?"))
    assert best[0].text == "loom shuttle"
    assert "nothing" not in [passage.text for passage in best]


@pytest.mark.parametrize(
    ("one", "other"), [("retries", "retry"), ("Refunds", "refund"), ("maxRetries", "max retry"), ("walked", "walk")]
)
def test_words_are_compared_by_their_stem(one: str, other: str) -> None:
    assert terms_of(one) == terms_of(other)


def test_stop_words_carry_no_meaning() -> None:
    assert terms_of("What is the file about, and how does it do that?") == frozenset()
