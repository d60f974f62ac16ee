"""An event of a session as the API shows it: JSON texts of the document are values here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from shared.domain.events import Author, Event
from shared.edge.shown_values import shown_value

_JSON_SUFFIX = "_json"


class EventView(BaseModel):
    """An entry of a session's log."""

    seq: int = Field(description="Its number in the session, from 1, without gaps.")
    run_id: str
    author: Author
    content: dict[str, Any] = Field(
        description="`text`; an agent's `calls`; a tool's `result`; an `approval`; what a run `repeats`."
    )
    metadata: dict[str, Any]
    actions: dict[str, Any]
    partial: bool = Field(description="The content is not whole: the run was cut short.")
    turn_complete: bool = Field(description="The last event of its run.")
    error_code: str | None
    error_message: str | None
    superseded_by: str | None = Field(description="The run whose answer took the place of this one.")
    created_at: datetime


def render_event(event: Event) -> EventView:
    """The event, with the JSON texts in its content and actions parsed."""
    shown = {"content": _content(event.content), "actions": _parsed(event.actions)}
    return EventView.model_validate({**asdict(event), **shown})


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(content)
    if "calls" in shown:
        shown["calls"] = [_parsed(call) for call in shown["calls"]]
    if "result" in shown:
        shown["result"] = _parsed(shown["result"])
    if "approval" in shown:
        shown["approval"] = _parsed(shown["approval"])
    return shown


def _parsed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removesuffix(_JSON_SUFFIX): shown_value(value) if name.endswith(_JSON_SUFFIX) else value
        for name, value in fields.items()
    }
