"""Events: the durable, gapless log of a session.

Shape of `content`: `{"text": …}` of a person or an agent; an agent's response that asks for tools adds
`"calls": [{"call_id", "name", "arguments_json"}]`; a tool's answer is
`{"result": {"call_id", "name", "content_json", "is_error"}}`; what the system asks of people has
`{"approval": {"approval_id", "kind", "message", "tool", "call_id", "arguments_json"}}` and the `actions` `approval_id`.
`actions` of a tool's answer tell what the call did to the session: `state_delta_json`, `artifact_delta_json`.
A run that repeats another one begins with `{"text": …, "repeats": {"run_id", "kind", "node"}}` of the system.
`metadata` of an agent's event names the instance, step and try whose segments it replaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shared.domain.ids import RunId, SessionId, Uid
from shared.domain.records import render, to_json
from shared.domain.runs import Run
from shared.domain.tools import ToolCall, ToolResult
from shared.domain.writes import Create

Author: TypeAlias = Literal["user", "agent", "tool", "system"]


@dataclass(frozen=True, slots=True)
class Event:
    """The document `sessions/{id}/events/{seq:012}`.

    Args:
        seq: its number in the session, from 1, without gaps.
        partial: the content is not whole: the run was cut short.
        turn_complete: the last event of its run.
        superseded_by: the run whose answer took the place of this one.
    """

    owner_uid: Uid
    seq: int
    run_id: RunId
    author: Author
    created_at: datetime
    content: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    actions: dict[str, Any] = field(default_factory=dict[str, Any])
    partial: bool = False
    turn_complete: bool = False
    error_code: str | None = None
    error_message: str | None = None
    superseded_by: RunId | None = None


def events_path(session_id: SessionId) -> str:
    """The collection of a session's events."""
    return f"sessions/{session_id}/events"


def event_path(session_id: SessionId, seq: int) -> str:
    """Where an event is stored."""
    return f"{events_path(session_id)}/{event_id(seq)}"


def event_id(seq: int) -> str:
    """An event's document id, which sorts by its number."""
    return f"{seq:012}"


def start_event(run: Run, seq: int, at: datetime) -> Event:
    """The event with which a run enters its session's log: what the person said, or that it is answered again."""
    content: dict[str, Any] = {"text": run.input_text}
    if run.repeats is not None:
        told = run.repeats
        content["repeats"] = {"run_id": told.run_id, "kind": told.kind, "node": told.node}
    return Event(
        owner_uid=run.owner_uid,
        seq=seq,
        run_id=run.id,
        author="user" if run.repeats is None else "system",
        created_at=at,
        content=content,
    )


def append(session_id: SessionId, event: Event) -> Create:
    """The write that appends an event; it is refused if its number is taken."""
    return Create(event_path(session_id, event.seq), render(event))


def call_content(call: ToolCall) -> dict[str, Any]:
    """A tool call as event content and segment part."""
    return {"call_id": call.call_id, "name": call.name, "arguments_json": to_json(call.arguments)}


def result_content(call: ToolCall, result: ToolResult) -> dict[str, Any]:
    """A tool's result as event content."""
    content = {
        "call_id": call.call_id,
        "name": call.name,
        "content_json": to_json(result.content),
        "is_error": result.is_error,
    }
    shown = [render(attachment) for attachment in result.attachments]
    return {**content, "attachments": shown} if shown else content


def action_content(result: ToolResult) -> dict[str, str]:
    """What a tool did to the session, as an event's `actions`."""
    return {f"{name}_json": to_json(value) for name, value in result.actions.items()}
