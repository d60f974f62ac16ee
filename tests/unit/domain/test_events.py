"""An event's document, field by field: clients of every language read it under the rules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.events import Event, append
from shared.domain.ids import RunId, SessionId, Uid
from shared.domain.writes import Create

AT = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "owner_uid": "ann",
    "seq": 1,
    "run_id": "r1",
    "author": "agent",
    "content": {},
    "metadata": {},
    "actions": {},
    "partial": False,
    "turn_complete": False,
    "error_code": None,
    "error_message": None,
    "created_at": AT,
    "superseded_by": None,
}


def test_an_event_has_these_fields_and_no_other_also_where_they_are_empty() -> None:
    event = Event(Uid("ann"), 1, RunId("r1"), "agent", AT)
    assert append(SessionId("s1"), event) == Create("sessions/s1/events/000000000001", FIELDS)
