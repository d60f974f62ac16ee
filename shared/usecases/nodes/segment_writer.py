"""Write a step's live text as segments, one write at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import datetime
from typing import Any

from shared.domain.errors import Unavailable
from shared.domain.ids import Uid
from shared.domain.segments import KEPT, WRITE_CHARACTERS, Segment, flush_pause_seconds, segments_path
from shared.domain.writes import Create, Put, Update, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Core

BEAT_AFTER_SECONDS = 0.4
"""A stream hears with its beats that it is to stop: with the pause of a flush, that is within a second."""


class SegmentWriter:
    """The segments of one try at one step.

    Deltas gather while a write is in flight and during a pause that grows with the answer's age. What a write that
    fails would have shown comes with the next one: the segments are a preview.

    Each write depends on the segment as it was last known. So one that was given up, and is applied after all, cannot
    replace what was written since, which for a node that failed or was cancelled is all that is kept of what it said.
    """

    def __init__(self, core: Core, attempt: Attempt, owner_uid: Uid, step: int, try_: int) -> None:
        """Start with no text and no segment."""
        self.step = step
        self.try_ = try_
        self._core = core
        self._attempt = attempt
        self._owner_uid = owner_uid
        self._path = segments_path(attempt.run_id, attempt.instance)
        self._pending: deque[str] = deque()
        self._pending_parts: list[dict[str, Any]] = []
        self._closed: list[str] = []
        self._n = 0
        self._rev = 0
        self._start = 0
        self._text = ""
        self._parts: list[dict[str, Any]] = []
        self._seen: datetime | None = None
        self._last: list[Write] = []
        self._opened_at: float | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._in_flight: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """All the text so far."""
        return "".join((*self._closed, self._text, *self._pending))

    def append(self, delta: str) -> None:
        """Add text; the first is written at once."""
        self._pending.append(delta)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.ensure_future(self._flush())

    def take_up(self, text: str) -> None:
        """Begin with text that an earlier try has shown; it is written with the end of this one."""
        self._pending.append(text)

    def add_parts(self, parts: list[dict[str, Any]]) -> None:
        """Add tool calls to the step's last segment."""
        self._pending_parts.extend(parts)

    async def finish(self) -> list[Write]:
        """Stop the writing in the background, and return the writes that complete the step's segments.

        They are the same when it is called again, because the commit with them was broken off.
        """
        await self.stop()
        while not self._last or self._pending:
            segment = self._take()
            final = not self._pending
            self._last.append(self._put(segment, final=final))
            self._advance(segment)
        return list(self._last)

    async def stop(self) -> None:
        """Stop the writing in the background, after the write in flight: it must not land after a later one."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        if self._in_flight is not None:
            await self._in_flight
        self._flushing = self._in_flight = None

    async def _flush(self) -> None:
        now = self._core.clock.monotonic
        opened_at = now() if self._opened_at is None else self._opened_at
        self._opened_at = opened_at
        while self._pending:
            self._in_flight = asyncio.ensure_future(self._write(self._take()))
            await asyncio.shield(self._in_flight)
            await self._core.clock.sleep(flush_pause_seconds(now() - opened_at))

    async def _write(self, segment: Segment) -> None:
        writes: list[Write] = [self._preview(segment)]
        beats = self._attempt.beat_age() > BEAT_AFTER_SECONDS
        if beats:
            writes.append(self._attempt.fence())
        sent = self._core.clock.monotonic()
        try:
            committed = await self._core.documents.commit(writes)
        except (CommitRefused, OutcomeUnknown) as error:
            self._rev += 1
            if isinstance(error, CommitRefused):
                await self._look(segment)
            return
        self._seen = committed.update_time
        self._advance(segment)
        if beats:
            self._attempt.note_beat(sent, committed.sums[-1])

    async def _look(self, segment: Segment) -> None:
        """See how the segment is: a write whose outcome was unknown has been applied."""
        with suppress(Unavailable):
            self._seen = (await self._core.documents.get(f"{self._path}/{segment.id}")).update_time

    def _take(self) -> Segment:
        """Move pending text into the current segment, as much as one write carries."""
        room = WRITE_CHARACTERS
        while self._pending and room > 0:
            delta = self._pending.popleft()
            if len(delta) > room:
                self._pending.appendleft(delta[room:])
                delta = delta[:room]
            self._text += delta
            room -= len(delta)
        if not self._pending:
            self._parts += self._pending_parts
            self._pending_parts = []
        return Segment(
            owner_uid=self._owner_uid,
            step=self.step,
            try_=self.try_,
            n=self._n,
            rev=self._rev,
            start=self._start,
            text=self._text,
            expires_at=self._core.clock.now() + KEPT,
            parts=tuple(self._parts),
        )

    def _advance(self, segment: Segment) -> None:
        """Go on to the next revision, or to the next segment when this one is full."""
        self._rev += 1
        if segment.is_full:
            self._closed.append(self._text)
            self._start += len(self._text)
            self._n += 1
            self._rev = 0
            self._seen = None
            self._text = ""
            self._parts = []

    def _preview(self, segment: Segment) -> Write:
        path, fields = f"{self._path}/{segment.id}", segment.fields()
        return Create(path, fields) if self._seen is None else Update(path, fields, seen=self._seen)

    def _put(self, segment: Segment, *, final: bool = False) -> Put:
        return Put(f"{self._path}/{segment.id}", segment.fields() | {"final": final})
