"""`grep`."""

from __future__ import annotations

import pytest

from shared.adapters.tools import grep
from tests.support.workspaces import TestingWorkspace


@pytest.fixture
def workspace() -> TestingWorkspace:
    return TestingWorkspace()


async def test_matching_lines_are_listed_by_file_and_line(workspace: TestingWorkspace) -> None:
    await workspace.put(src__b_py="import os\r\nx = 1\r\n", src__a_py="a\nimport re", README_md="no imports")

    assert await workspace.answer("grep", pattern=r"^import \w+$", glob="*.py") == {
        "matches": [
            {"path": "src/a.py", "line": 2, "text": "import re"},
            {"path": "src/b.py", "line": 1, "text": "import os"},
        ],
        "files_searched": 2,
        "truncated": False,
    }


async def test_case_is_ignored_when_asked(workspace: TestingWorkspace) -> None:
    await workspace.put(a_txt="Größe\nGRÖSSE\n")

    assert len((await workspace.answer("grep", pattern="größe"))["matches"]) == 0
    assert len((await workspace.answer("grep", pattern="größe", ignore_case=True))["matches"]) == 1


async def test_the_matches_are_bounded_and_the_rest_is_told(workspace: TestingWorkspace) -> None:
    await workspace.put(a_txt="x\n" * 10, b_txt="x\n" * 10)

    answer = await workspace.answer("grep", pattern="x", max_matches=15)

    assert (len(answer["matches"]), answer["truncated"]) == (15, True)
    assert (await workspace.answer("grep", pattern="x", max_matches=20))["truncated"] is False


async def test_of_a_long_line_the_part_around_the_match_is_shown(workspace: TestingWorkspace) -> None:
    await workspace.put(min_js="a" * 5000 + "needle" + "b" * 5000)

    (match,) = (await workspace.answer("grep", pattern="needle"))["matches"]

    assert "needle" in match["text"]
    assert match["text"].startswith("…")
    assert match["text"].endswith("…")
    assert len(match["text"]) == 302


async def test_binary_files_are_passed_over(workspace: TestingWorkspace) -> None:
    await workspace.put(picture_png=b"\x89PNG\r\n\x1a\n\0needle", data=b"\0needle", a_txt="needle")

    answer = await workspace.answer("grep", pattern="needle")

    assert [match["path"] for match in answer["matches"]] == ["a.txt"]


async def test_forty_files_cost_one_read_for_each_head_and_each_content_in_two_round_trips(
    workspace: TestingWorkspace,
) -> None:
    for i in range(40):
        await workspace.store(f"src/{i:02}.txt", f"line {i}\n")

    answer = await workspace.answer("grep", pattern=r"line \d+")

    assert answer["files_searched"] == 40
    assert (workspace.documents.reads, workspace.documents.round_trips) == (80, 2)


async def test_files_that_the_glob_excludes_are_not_read(workspace: TestingWorkspace) -> None:
    for i in range(10):
        await workspace.store(f"src/{i}.txt", "x")
        await workspace.store(f"docs/{i}.md", "x")

    await workspace.answer("grep", pattern="x", glob="docs/**/*.md")

    assert workspace.documents.reads == 20


async def test_reading_stops_when_there_are_enough_matches(workspace: TestingWorkspace) -> None:
    for i in range(120):
        await workspace.store(f"{i:03}.txt", "x")

    answer = await workspace.answer("grep", pattern="x", max_matches=5)

    assert answer["files_searched"] == 100
    assert workspace.documents.reads == 120 + 100


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing ): ("),
        ("a{1000}{1000}", "bad repetition operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?=a)", "invalid perl operator"),
    ],
)
async def test_a_pattern_that_is_not_re2_syntax_is_explained(
    workspace: TestingWorkspace, capfd: pytest.CaptureFixture[str], pattern: str, reason: str
) -> None:
    await workspace.put(a_txt="x")

    message = await workspace.refusal("grep", pattern=pattern)

    assert f"is not a regular expression in RE2 syntax: {reason}" in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|aa)+$", r"(.*a){20}$", r"(x+x+)+y"])
async def test_patterns_that_hang_backtracking_engines_are_answered(workspace: TestingWorkspace, pattern: str) -> None:
    await workspace.put(a_txt=("a" * 20_000 + "!\n") + ("x" * 20_000 + "\n"))

    assert "matches" in await workspace.answer("grep", pattern=pattern)


async def test_a_glob_that_would_make_backtracking_engines_hang_is_answered(workspace: TestingWorkspace) -> None:
    await workspace.store("a" * 500, "x")

    assert (await workspace.answer("find", glob="*a" * 200 + "b"))["paths"] == []


@pytest.mark.parametrize(("bound", "value"), [("MAX_FILES", 2), ("MAX_BYTES", 5)])
async def test_a_workspace_too_large_to_search_is_searched_in_part_and_that_is_told(
    workspace: TestingWorkspace, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    await workspace.put(a="x\n", b="x\n", c="x\n")
    monkeypatch.setattr(grep, bound, value)

    answer = await workspace.answer("grep", pattern="x")

    assert (answer["files_searched"], answer["truncated"]) == (2, True)
