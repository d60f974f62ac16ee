"""`file_read`, `file_write` and `find`."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.tools.file_read import MAX_CHARACTERS
from tests.support.workspaces import TestingWorkspace


@pytest.fixture
def workspace() -> TestingWorkspace:
    return TestingWorkspace()


async def test_a_file_is_read_whole(workspace: TestingWorkspace) -> None:
    await workspace.put(src__app_py="one\ntwo\n")

    assert await workspace.answer("file_read", path="./src/app.py") == {
        "path": "src/app.py",
        "version": 1,
        "start_line": 1,
        "end_line": 2,
        "total_lines": 2,
        "text": "one\ntwo\n",
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"start_line": 2}, "2\n3\n"),
        ({"end_line": 2}, "1\n2\n"),
        ({"start_line": "2", "end_line": "2"}, "2\n"),
        ({"end_line": 100}, "1\n2\n3\n"),
    ],
)
async def test_some_lines_of_a_file_are_read(workspace: TestingWorkspace, arguments: dict[str, Any], text: str) -> None:
    await workspace.put(n_txt="1\n2\n3\n")

    assert (await workspace.answer("file_read", path="n.txt", **arguments))["text"] == text


async def test_a_long_file_is_read_in_parts_that_say_where_to_go_on(workspace: TestingWorkspace) -> None:
    text = "".join(f"line {i}\n" for i in range(20_000))
    await workspace.put(long_txt=text)

    read, start = "", 1
    while True:
        part = await workspace.answer("file_read", path="long.txt", start_line=start)
        assert len(part["text"]) <= MAX_CHARACTERS
        read += part["text"]
        if not part["truncated"]:
            break
        start = part["next_line"]

    assert read == text


async def test_a_line_that_is_too_long_is_cut_and_the_cut_is_told(workspace: TestingWorkspace) -> None:
    await workspace.put(one_txt="x" * (MAX_CHARACTERS + 1))

    part = await workspace.answer("file_read", path="one.txt")

    assert (len(part["text"]), part["truncated"], "next_line" in part) == (MAX_CHARACTERS, True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "missing.txt"}, "There is no file 'missing.txt'."),
        ({"path": "../etc/passwd"}, "'../etc/passwd' is not a file name: it contains '..'."),
        ({"path": "n.txt", "start_line": 9}, "start_line is 9, but 'n.txt' has 3 lines."),
        ({"path": "n.txt", "start_line": 3, "end_line": 2}, "end_line (2) is before start_line (3)."),
        (
            {"path": "n.txt", "lines": 3},
            "The arguments do not fit. lines: Extra inputs are not permitted. Known: path, start_line, end_line.",
        ),
        (
            {"path": "picture.png"},
            "'picture.png' (image/png, 9 bytes) is binary; this tool reads text in UTF-8.",
        ),
        (
            {"path": "paper.pdf"},
            "'paper.pdf' (application/pdf, 7 bytes) is binary; this tool reads text in UTF-8. Use document_analyzer.",
        ),
    ],
)
async def test_a_file_that_cannot_be_read_is_explained(
    workspace: TestingWorkspace, arguments: dict[str, Any], message: str
) -> None:
    await workspace.put(n_txt="1\n2\n3\n", picture_png=b"\x89PNG\r\n\x1a\n\0", paper_pdf=b"%PDF-\0\0")

    assert await workspace.refusal("file_read", **arguments) == message


async def test_an_empty_file_has_no_lines(workspace: TestingWorkspace) -> None:
    await workspace.put(empty_txt="")

    part = await workspace.answer("file_read", path="empty.txt")

    assert (part["text"], part["total_lines"], part["truncated"]) == ("", 0, False)


async def test_writing_makes_versions_and_writing_the_same_again_none(workspace: TestingWorkspace) -> None:
    answers = [
        await workspace.answer("file_write", path="review.md", content=content) for content in ("a", "b", "b", "a")
    ]

    assert [(answer["version"], answer["created"]) for answer in answers] == [
        (1, True),
        (2, True),
        (2, False),
        (3, True),
    ]
    assert (await workspace.answer("file_read", path="review.md"))["text"] == "a"


async def test_who_wrote_a_version_is_kept(workspace: TestingWorkspace) -> None:
    await workspace.answer("file_write", path="a.txt", content="a")

    version = (await workspace.documents.get("sessions/s1/artifacts/a.txt/versions/1")).fields
    assert version is not None
    assert (version["created_by"], version["owner_uid"]) == ("runs/r1/nodes/main~0", "ada")


async def test_too_large_a_file_is_refused(workspace: TestingWorkspace) -> None:
    message = await workspace.refusal("file_write", path="a.txt", content="x" * (10 * 1024 * 1024 + 1))

    assert message == ("The artifact cannot be stored: content has 10,485,761 bytes; 10,485,760 are the most.")


async def test_find_lists_paths_by_name_with_their_sizes(workspace: TestingWorkspace) -> None:
    await workspace.put(src__b_py="bb", README_md="r", src__a_py="")

    assert await workspace.answer("find") == {
        "paths": ["README.md", "src/a.py", "src/b.py"],
        "sizes_bytes": [1, 0, 2],
        "truncated": False,
    }
    assert (await workspace.answer("find", glob="*.py"))["paths"] == ["src/a.py", "src/b.py"]
    assert (await workspace.answer("find", glob="nothing/**"))["paths"] == []


async def test_find_says_when_there_is_more(workspace: TestingWorkspace) -> None:
    await workspace.put(a="", b="", c="")

    assert (await workspace.answer("find", limit=2))["truncated"] is True
    assert (await workspace.answer("find", limit=3))["truncated"] is False


async def test_find_reads_no_more_documents_than_it_lists_and_one(workspace: TestingWorkspace) -> None:
    for i in range(40):
        await workspace.store(f"{'src' if i % 2 else 'docs'}/{i:02}.txt", "x")

    await workspace.answer("find", limit=40)
    assert (workspace.documents.reads, workspace.documents.round_trips) == (40, 1)

    workspace.documents.reset()
    await workspace.answer("find", limit=5)
    assert workspace.documents.reads == 6

    workspace.documents.reset()
    await workspace.answer("find", glob="src/*.txt")
    assert workspace.documents.reads == 20


async def test_a_malformed_glob_is_explained(workspace: TestingWorkspace) -> None:
    assert await workspace.refusal("find", glob="[z-a]") == (
        "'[z-a]' is not a glob pattern: invalid character class range: z-a."
    )


async def test_find_goes_on_until_it_has_looked_at_every_path(workspace: TestingWorkspace) -> None:
    for i in range(10):
        await workspace.store(f"{i}.{'md' if i == 9 else 'txt'}", "")

    assert await workspace.answer("find", glob="*.md", limit=1) == {
        "paths": ["9.md"],
        "sizes_bytes": [0],
        "truncated": False,
    }
