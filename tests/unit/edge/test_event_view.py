"""Events are shown with their JSON texts as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.events import Event, action_content, call_content, result_content
from shared.domain.ids import RunId, Uid
from shared.domain.tools import ToolCall, ToolResult
from shared.edge.event_view import render_event

CALL = ToolCall(step=0, call_id="c1", name="grep", arguments={"pattern": "a_json"})


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"text": "hello"}, {"text": "hello"}),
        (
            {"text": "", "calls": [call_content(CALL)]},
            {"text": "", "calls": [{"call_id": "c1", "name": "grep", "arguments": {"pattern": "a_json"}}]},
        ),
        (
            {"result": result_content(CALL, ToolResult([1, {"a": None}]))},
            {"result": {"call_id": "c1", "name": "grep", "content": [1, {"a": None}], "is_error": False}},
        ),
    ],
)
def test_an_event_is_shown_as_values(content: dict[str, Any], shown: dict[str, Any]) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    view = render_event(Event(Uid("ann"), 3, RunId("r"), "agent", now, content))
    assert view.content == shown
    assert (view.seq, view.author, view.created_at) == (3, "agent", now)


def test_what_a_tool_did_to_the_session_is_shown_as_values() -> None:
    result = ToolResult("done", actions={"state_delta": {"grid": [[1], [2]]}})
    event = Event(Uid("ann"), 4, RunId("r"), "tool", datetime(2026, 1, 1, tzinfo=UTC), actions=action_content(result))
    assert event.actions == {"state_delta_json": '{"grid":[[1],[2]]}'}
    assert render_event(event).actions == {"state_delta": {"grid": [[1], [2]]}}
