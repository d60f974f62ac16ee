"""The HTTP face of conversations: parse, call a use case, stream or render."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.events import Event
from shared.domain.ids import SessionId
from shared.domain.states import RunState
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.event_view import EventView, render_event
from shared.edge.json_route import JsonRoute
from shared.edge.logs import current_request
from shared.edge.path_ids import ResourceId
from shared.edge.request_headers import IdempotencyKey
from shared.edge.run_input import RunInput
from shared.edge.server_sent_events import EventStream
from shared.usecases.nodes.engine import Engine
from shared.usecases.runs.start_run import IfBusy, RunRequest
from shared.usecases.sessions.answer_message import Turn, answer_message
from shared.usecases.sessions.follow_session import follow_session
from shared.usecases.sessions.get_session import get_session
from shared.usecases.sessions.turn_updates import EventAppended, PeopleAsked, RunPaused

LEAVE_GRACE_SECONDS = 5.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Frames `state`, `delta`, `tool`; at last `final`, `error`, or a `state`: `waiting`, `paused`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class MessageBody(BaseModel):
    """What a person says."""

    model_config = ConfigDict(extra="forbid")

    input: RunInput = Field(description="Text, or an object with the person's words as `text`.")
    stream: bool = Field(default=True, description="Stream the answer; false waits for it and answers in JSON.")
    if_busy: IfBusy = Field(default="reject", description="What to do while the session has an active run.")


class MessageAnswer(BaseModel):
    """A turn that has ended, waits for people, or is paused."""

    run_id: str
    session_id: str
    state: RunState
    text: str
    events: list[EventView]
    approval_ids: list[str] = Field(default=[], description="What people are asked, where the state is `waiting`.")


def message_routes(engine: Engine) -> APIRouter:
    """The routes of conversations."""
    router = APIRouter(tags=["chat"], route_class=JsonRoute)

    @router.post(
        "/sessions/{session_id}/messages",
        response_model=MessageAnswer,
        responses={**problem_responses(400, 401, 404, 409, 429, 503), **_STREAM},
    )
    async def answer(
        caller: Caller, session_id: ResourceId, body: MessageBody, idempotency_key: IdempotencyKey = None
    ) -> Response | MessageAnswer:
        """Answer a message, streaming. A client that leaves does not stop the run."""
        request = RunRequest(
            caller=caller.uid,
            input=body.input,
            session_id=SessionId(session_id),
            if_busy=body.if_busy,
            idempotency_key=idempotency_key,
            trace_id=current_request().trace_id,
        )
        turn = await answer_message(engine, request)
        if body.stream:
            return EventStream(turn.updates(), partial(turn.leave, LEAVE_GRACE_SECONDS))
        return await _wait(turn)

    @router.get(
        "/sessions/{session_id}/events", response_class=Response, responses={**problem_responses(401, 404), **_STREAM}
    )
    async def follow(
        caller: Caller,
        session_id: ResourceId,
        after: Annotated[int, Query(ge=0, description="The number of the last event that is known.")] = 0,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> Response:
        """Stream a session's log from after an event, and what is being said now; ends when no run is active."""
        session = await get_session(engine.core.documents, caller.uid, SessionId(session_id))
        return EventStream(follow_session(engine.core, session.id, after=max(after, last_event_id or 0)))

    return router


async def _wait(turn: Turn) -> MessageAnswer:
    events: list[Event] = []
    asked: list[str] = []
    paused = False
    async for update in turn.updates():
        if isinstance(update, EventAppended):
            events.append(update.event)
        elif isinstance(update, PeopleAsked):
            asked = list(update.approval_ids)
        paused = paused or isinstance(update, RunPaused)
    last = events[-1] if events and events[-1].turn_complete else None
    return MessageAnswer(
        run_id=turn.run.id,
        session_id=turn.run.session_id,
        state=RunState.WAITING if asked else RunState.PAUSED if paused else _state(last),
        text="" if last is None else last.content.get("text", ""),
        events=[render_event(event) for event in events],
        approval_ids=asked,
    )


def _state(last: Event | None) -> RunState:
    """The state of a run whose last event this is; one that never began was withdrawn."""
    if last is None:
        return RunState.CANCELLED
    if last.error_code is None:
        return RunState.SUCCEEDED
    return RunState.CANCELLED if last.error_code == "cancelled" else RunState.FAILED
