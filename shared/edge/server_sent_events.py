"""Server-sent events: how a turn looks on the wire.

Frames are `id: <seq>` (of events in the log), `event: state | delta | tool | final | error`, and JSON data; `final` and
`error` end the stream, and so does a `state` without an `event`: of `waiting`, for people, or of `paused`.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.domain.events import Event
from shared.edge.event_view import render_event
from shared.usecases.sessions.turn_updates import (
    EventAppended,
    PeopleAsked,
    RunPaused,
    RunWaits,
    RunWithdrawn,
    TextShown,
    Update,
)

PING_SECONDS = 15.0
"""How often a silent stream says that it lives, so that no proxy closes it."""
_MORE_LINE_BREAKS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
"""Those of Unicode, at which HTTP clients of Python split lines too."""


def render_update(update: Update) -> bytes:
    """The frame of an update."""
    match update:
        case TextShown():
            data = {"run_id": update.run_id, "step": update.step, "try": update.try_, "text": update.delta}
            return render_frame("delta", data)
        case RunWaits():
            return render_frame("state", {"run_id": update.run_id, "state": "queued"})
        case RunWithdrawn():
            message = "the run was cancelled before it started"
            return render_frame("error", {"run_id": update.run_id, "error_code": "cancelled", "error_message": message})
        case PeopleAsked():
            asked = {"run_id": update.run_id, "state": "waiting", "approval_ids": update.approval_ids}
            return render_frame("state", asked)
        case RunPaused():
            return render_frame("state", {"run_id": update.run_id, "state": "paused"})
        case EventAppended():
            return _render_event(update.event)


def render_frame(kind: str, data: Any, seq: int | None = None) -> bytes:
    """One frame; JSON text has no line breaks, so the data is one line, also for clients that know of more of them."""
    identity = "" if seq is None else f"id: {seq}\n"
    text = json.dumps(data, ensure_ascii=False).translate(_MORE_LINE_BREAKS)
    return f"{identity}event: {kind}\ndata: {text}\n\n".encode()


def _render_event(event: Event) -> bytes:
    view = render_event(event).model_dump(mode="json")
    if event.author == "user" or "repeats" in event.content:
        return render_frame("state", {"run_id": event.run_id, "state": "running", "event": view}, event.seq)
    if "approval_id" in event.actions:
        asked = {"run_id": event.run_id, "state": "waiting", "approval_ids": [event.actions["approval_id"]]}
        return render_frame("state", {**asked, "event": view}, event.seq)
    if not event.turn_complete:
        return render_frame("tool", view, event.seq)
    return render_frame("final" if event.error_code is None else "error", view, event.seq)


class EventStream(Response):
    """Streams updates; when the client leaves or the stream ends, `leave` is awaited before the request is over."""

    media_type = "text/event-stream"

    def __init__(self, updates: AsyncIterator[Update], leave: Callable[[], Awaitable[None]] | None = None) -> None:
        """Stream `updates`."""
        super().__init__(headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._updates = updates
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames until the updates end or the client is gone."""
        del scope  # what was asked is known by now
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await self._send_frames(send, leaving)
        except (ClientDisconnect, OSError):
            return
        finally:
            leaving.cancel()
            if self._leave is not None:
                await self._leave()

    async def _send_frames(self, send: Send, leaving: asyncio.Task[None]) -> None:
        coming = asyncio.ensure_future(_next(self._updates))
        try:
            while True:
                done, _ = await asyncio.wait(
                    {coming, leaving}, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if leaving in done:
                    return
                if coming not in done:
                    await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
                    continue
                update = coming.result()
                if update is None:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
                await send({"type": "http.response.body", "body": render_update(update), "more_body": True})
                coming = asyncio.ensure_future(_next(self._updates))
        finally:
            coming.cancel()


async def _next(updates: AsyncIterator[Update]) -> Update | None:
    return await anext(updates, None)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
