"""`save_artifact`, `set_state`, `calculator` and `current_time`."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from shared.domain.errors import DomainError
from shared.domain.sessions import MAX_STATE_CHARACTERS
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.artifacts.get_artifact import get_artifact
from tests.support.workspaces import TestingWorkspace


@pytest.fixture
def workspace() -> TestingWorkspace:
    return TestingWorkspace()


async def test_a_text_is_saved_with_its_media_type_and_the_event_tells_its_version(workspace: TestingWorkspace) -> None:
    result = await workspace.call("save_artifact", name="out/t.csv", content="a,b\n", mime_type="text/csv")

    assert result.content == {
        "name": "out/t.csv",
        "version": 1,
        "created": True,
        "mime_type": "text/csv",
        "size_bytes": 4,
    }
    assert result.actions == {"artifact_delta": {"out/t.csv": 1}}
    assert (await workspace.answer("save_artifact", name="out/t.csv", content="a,b\n"))["created"] is False


async def test_bytes_are_saved_from_base64(workspace: TestingWorkspace) -> None:
    content = b"\x89PNG\r\n\x1a\n\0"
    encoded = base64.encodebytes(content).decode()

    answer = await workspace.answer("save_artifact", name="a.png", content=encoded, encoding="base64")

    assert answer["mime_type"] == "image/png"
    assert (await get_artifact(workspace.documents, workspace.session_id, "a.png")).content == content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"content": "?", "encoding": "base64"}, "content is not base64."),
        ({"content": "x", "mime_type": "CSV"}, "The artifact cannot be stored: mime_type is not a media type."),
        ({"content": "x", "name": "/etc/passwd"}, "'/etc/passwd' is not a file name: it starts with '/'"),
        ({"content": "x", "encoding": "hex"}, "The arguments do not fit. encoding: Input should be 'text' or 'base64'"),
    ],
)
async def test_what_cannot_be_saved_is_explained(
    workspace: TestingWorkspace, arguments: dict[str, Any], message: str
) -> None:
    assert (await workspace.refusal("save_artifact", **{"name": "a", **arguments})).startswith(message)


async def test_keys_of_the_state_are_replaced_whole_added_and_removed(workspace: TestingWorkspace) -> None:
    await workspace.open_session({"plan": {"a": 1, "b": 2}, "old": True, "kept": "x"})
    values = {"plan": {"c": [[3]]}, "old": None, "new": 1}

    result = await workspace.call("set_state", values=values)

    assert result.content == {"keys": ["kept", "new", "plan"]}
    assert result.actions == {"state_delta": values}
    assert await workspace.state() == {"plan": {"c": [[3]]}, "kept": "x", "new": 1}


async def test_a_state_that_is_so_already_is_not_written(workspace: TestingWorkspace) -> None:
    await workspace.open_session({"a": 1})
    before = await workspace.documents.get("sessions/s1")
    await workspace.answer("set_state", values={"a": 1, "b": None})

    assert (await workspace.documents.get("sessions/s1")).update_time == before.update_time


async def test_keys_that_are_set_at_the_same_time_are_all_kept(workspace: TestingWorkspace) -> None:
    await workspace.open_session()

    setting = asyncio.gather(*(workspace.answer("set_state", values={f"k{n}": n}) for n in range(8)))
    while not setting.done():
        await workspace.clock.advance(0.1)
    await setting

    assert await workspace.state() == {f"k{n}": n for n in range(8)}


@pytest.mark.parametrize("applied", [True, False])
async def test_a_change_whose_reply_is_lost_is_made(workspace: TestingWorkspace, *, applied: bool) -> None:
    await workspace.open_session()
    workspace.documents.lose_replies.append((applied, OutcomeUnknown()))

    assert await workspace.answer("set_state", values={"a": 1}) == {"keys": ["a"]}
    assert await workspace.state() == {"a": 1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "The arguments do not fit. values: Dictionary should have at least 1 item"),
        ({"a": "x" * MAX_STATE_CHARACTERS}, "The values would make the state 200,014 characters of JSON;"),
        ({"a": float("nan")}, "The values are not JSON."),
        ({"a": "\ud800"}, "The values are not JSON."),
    ],
)
async def test_a_state_that_cannot_be_kept_is_refused(
    workspace: TestingWorkspace, values: dict[str, Any], message: str
) -> None:
    await workspace.open_session({"b": 1})

    assert message in await workspace.refusal("set_state", values=values)
    assert await workspace.state() == {"b": 1}


async def test_there_is_no_state_without_a_session(workspace: TestingWorkspace) -> None:
    assert await workspace.refusal("set_state", values={"a": 1}) == "There is no such session."


async def test_a_calculation_says_whether_it_is_exact(workspace: TestingWorkspace) -> None:
    assert await workspace.answer("calculator", expression="0.1 + 0.2") == {
        "expression": "0.1 + 0.2",
        "result": "0.3",
        "exact": True,
    }
    assert await workspace.refusal("calculator", expression="1 / 0") == "The expression divides by zero."


async def test_the_time_is_told_as_clocks_there_show_it(workspace: TestingWorkspace) -> None:
    assert await workspace.answer("current_time", time_zone="Asia/Kolkata") == {
        "time": "2026-01-01T05:30:00+05:30",
        "time_zone": "Asia/Kolkata",
        "weekday": "Thursday",
        "utc": "2026-01-01T00:00:00+00:00",
        "unix_seconds": 1767225600,
    }
    assert (await workspace.answer("current_time"))["time"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("europe/berlin", "'europe/berlin' is not an IANA time zone. Did you mean Europe/Berlin?"),
        ("Europe/Berln", "'Europe/Berln' is not an IANA time zone. Did you mean Europe/Berlin?"),
        ("../../etc/passwd", "'../../etc/passwd' is not an IANA time zone. Such as Europe/Berlin."),
    ],
)
async def test_a_time_zone_that_does_not_exist_is_refused(workspace: TestingWorkspace, zone: str, message: str) -> None:
    assert await workspace.refusal("current_time", time_zone=zone) == message


@pytest.mark.parametrize("failure", [OutcomeUnknown(), CommitRefused()])
async def test_a_store_that_never_takes_the_state_is_worth_a_retry_of_the_node(
    workspace: TestingWorkspace, failure: Exception
) -> None:
    await workspace.open_session()
    workspace.documents.lose_replies.extend([(False, failure)] * 100)

    setting = asyncio.ensure_future(workspace.call("set_state", values={"a": 1}))
    await workspace.clock.advance(10)
    with pytest.raises(DomainError) as refused:
        await setting

    assert refused.value.retryable
