"""`file_edit`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.errors import DomainError
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.artifacts.get_artifact import get_artifact
from tests.support.passing_time import in_time
from tests.support.workspaces import TestingWorkspace


@pytest.fixture
def workspace() -> TestingWorkspace:
    return TestingWorkspace()


async def text_of(workspace: TestingWorkspace, path: str = "a.py") -> bytes:
    return (await get_artifact(workspace.documents, workspace.session_id, path)).content


async def test_a_passage_that_occurs_once_is_replaced_in_a_new_version(workspace: TestingWorkspace) -> None:
    await workspace.put(a_py="def f():\n    return 1\n")

    answer = await workspace.answer("file_edit", path="./a.py", old_text="return 1", new_text="return 2")

    assert answer == {"path": "a.py", "version": 2, "size_bytes": 22}
    assert await text_of(workspace) == b"def f():\n    return 2\n"
    assert (await workspace.answer("diff", path="a.py"))["diff"].count("return") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"old_text": "three"},
            "old_text does not occur in 'a.py' (version 1). Nothing was changed; read the file again.",
        ),
        (
            {"old_text": "one\n    two"},
            (
                "old_text does not occur in 'a.py' (version 1). It would with other spaces, indentation or line "
                "breaks: copy it exactly from file_read."
            ),
        ),
        (
            {"old_text": "ONE"},
            (
                "old_text does not occur in 'a.py' (version 1). It would with capitals and small letters exchanged: "
                "copy it exactly from file_read."
            ),
        ),
        (
            {"old_text": "x"},
            (
                "old_text occurs 3 times in 'a.py' (from lines 3, 3, 5), so it is not clear which one is "
                "meant. Give more of the text around it, or set replace_all."
            ),
        ),
        (
            {"old_text": "-"},
            (
                "old_text occurs 6 times in 'a.py' (from lines 6, 6, 6, 6, 6, …), so it is not clear which one is "
                "meant. Give more of the text around it, or set replace_all."
            ),
        ),
        (
            {"old_text": "one", "new_text": "one"},
            "old_text and new_text are the same, so there is nothing to change.",
        ),
        ({"path": "b.py", "old_text": "one"}, "There is no file 'b.py'."),
        ({"path": "../a", "old_text": "one"}, "'../a' is not a file name: it contains '..'."),
        (
            {"path": "picture.png", "old_text": "one"},
            "'picture.png' (image/png, 9 bytes) is binary; this tool reads text in UTF-8.",
        ),
    ],
)
async def test_an_edit_that_cannot_be_made_is_explained_and_changes_nothing(
    workspace: TestingWorkspace, arguments: dict[str, Any], message: str
) -> None:
    await workspace.put(a_py="one\n  two\nxx\n\nx\n------\n", picture_png=b"\x89PNG\r\n\x1a\n\0")

    refusal = await workspace.refusal("file_edit", **{"path": "a.py", "new_text": "new", **arguments})

    assert refusal == message
    assert (await workspace.answer("file_read", path="a.py"))["version"] == 1


async def test_every_occurrence_is_replaced_on_request(workspace: TestingWorkspace) -> None:
    await workspace.put(a_py="x = x + x\n")

    await workspace.answer("file_edit", path="a.py", old_text="x", new_text="yx", replace_all=True)

    assert await text_of(workspace) == b"yx = yx + yx\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"one\r\ntwo\r\n", b"1\r\n2\r\n"),
        (b"\xef\xbb\xbfone\ntwo\n", b"\xef\xbb\xbf1\n2\n"),
        ("\ufeffone\ntwo\n".encode("utf-16-le"), "\ufeff1\n2\n".encode("utf-16-le")),
        ("\ufeffone\ntwo\n".encode("utf-16-be"), "\ufeff1\n2\n".encode("utf-16-be")),
    ],
    ids=["CRLF", "UTF-8 with a mark", "UTF-16 LE", "UTF-16 BE"],
)
async def test_line_ends_and_encoding_stay_as_they_are(
    workspace: TestingWorkspace, before: bytes, after: bytes
) -> None:
    await workspace.store("a.py", before)

    await workspace.answer("file_edit", path="a.py", old_text="one\ntwo", new_text="1\n2")

    assert await text_of(workspace) == after


async def test_a_call_that_is_made_again_edits_once(workspace: TestingWorkspace) -> None:
    await workspace.put(a_py="a")
    arguments = {"path": "a.py", "old_text": "a", "new_text": "ab"}

    first = await workspace.call_with("file_edit", arguments, {})
    await workspace.put(a_py="ab and what somebody else wrote")
    again = await workspace.call_again("file_edit", arguments, {})

    assert first.content == again.content
    assert await text_of(workspace) == b"ab and what somebody else wrote"
    assert (await workspace.answer("file_edit", **arguments | {"old_text": "ab", "new_text": "c"}))["version"] == 4


@pytest.mark.parametrize("applied", [True, False])
async def test_an_edit_whose_reply_is_lost_is_made_once(workspace: TestingWorkspace, *, applied: bool) -> None:
    await workspace.put(a_py="a")
    workspace.documents.lose_replies.append((applied, OutcomeUnknown()))

    answer = await workspace.answer("file_edit", path="a.py", old_text="a", new_text="aa")

    assert answer["version"] == 2
    assert await text_of(workspace) == b"aa"


async def test_edits_at_the_same_time_are_all_kept(workspace: TestingWorkspace) -> None:
    await workspace.put(a_py="".join(f"line {n}.\n" for n in range(8)))

    edits = [
        workspace.answer("file_edit", path="a.py", old_text=f"line {n}.", new_text=f"Zeile {n}.") for n in range(8)
    ]
    answers = await in_time(workspace.clock, asyncio.gather(*edits))

    assert sorted(answer["version"] for answer in answers) == list(range(2, 10))
    assert await text_of(workspace) == "".join(f"Zeile {n}.\n" for n in range(8)).encode()


@pytest.mark.parametrize("failure", [OutcomeUnknown(), CommitRefused()])
async def test_a_store_that_never_takes_the_edit_is_worth_a_retry_of_the_node(
    workspace: TestingWorkspace, failure: Exception
) -> None:
    await workspace.put(a_py="a")
    workspace.documents.lose_replies.extend([(False, failure)] * 100)

    with pytest.raises(DomainError) as refused:
        await in_time(workspace.clock, workspace.call("file_edit", path="a.py", old_text="a", new_text="b"))

    assert refused.value.retryable
