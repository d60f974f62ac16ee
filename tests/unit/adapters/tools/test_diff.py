"""`diff`."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.tools.diff import MAX_CHARACTERS
from tests.support.workspaces import TestingWorkspace


@pytest.fixture
async def workspace() -> TestingWorkspace:
    workspace = TestingWorkspace()
    for content in ("one\n", "two\n", "three\n"):
        await workspace.put(a_txt=content)
    await workspace.put(b_txt="one\n", picture_png=b"\0")
    return workspace


@pytest.mark.parametrize(
    ("arguments", "names", "change"),
    [
        ({"path": "a.txt"}, ("a.txt@2", "a.txt@3"), "-two\n+three\n"),
        ({"path": "a.txt", "version": 1}, ("a.txt@1", "a.txt@3"), "-one\n+three\n"),
        ({"path": "a.txt", "other_version": 2}, ("a.txt@1", "a.txt@2"), "-one\n+two\n"),
        ({"path": "a.txt", "version": 3, "other_version": 1}, ("a.txt@3", "a.txt@1"), "-three\n+one\n"),
        ({"path": "a.txt", "other_path": "b.txt"}, ("a.txt@3", "b.txt@1"), "-three\n+one\n"),
        ({"path": "a.txt", "version": 2, "other_path": "./b.txt"}, ("a.txt@2", "b.txt@1"), "-two\n+one\n"),
    ],
)
async def test_two_files_or_versions_are_compared(
    workspace: TestingWorkspace, arguments: dict[str, Any], names: tuple[str, str], change: str
) -> None:
    old, new = names
    assert await workspace.answer("diff", **arguments) == {
        "old": old,
        "new": new,
        "identical": False,
        "diff": f"--- {old}\n+++ {new}\n@@ -1,1 +1,1 @@\n{change}",
        "truncated": False,
    }


async def test_equal_files_have_no_diff(workspace: TestingWorkspace) -> None:
    answer = await workspace.answer("diff", path="a.txt", version=1, other_path="b.txt")

    assert (answer["identical"], answer["diff"]) == (True, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "b.txt"}, "'b.txt' has no version before version 1 to compare with."),
        ({"path": "a.txt", "version": 4}, "There is no version 4 of a file 'a.txt'."),
        ({"path": "c.txt"}, "There is no file 'c.txt'."),
        ({"path": "a.txt", "other_path": "/b.txt"}, "starts with '/'"),
        ({"path": "a.txt", "other_path": "picture.png"}, "'picture.png' (image/png, 1 bytes) is binary"),
    ],
)
async def test_what_cannot_be_compared_is_explained(
    workspace: TestingWorkspace, arguments: dict[str, Any], message: str
) -> None:
    assert message in await workspace.refusal("diff", **arguments)


async def test_a_long_diff_is_cut_at_a_line(workspace: TestingWorkspace) -> None:
    await workspace.put(long_txt="".join(f"old {i}\n" for i in range(20_000)))
    await workspace.put(long_txt="".join(f"new {i}\n" for i in range(20_000)))

    answer = await workspace.answer("diff", path="long.txt")

    assert answer["truncated"] is True
    assert len(answer["diff"]) <= MAX_CHARACTERS
    assert answer["diff"].endswith("\n")
