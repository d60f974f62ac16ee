"""What somebody who watches a session is told, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeAlias

from shared.domain.events import Event
from shared.domain.ids import ApprovalId, RunId


@dataclass(frozen=True, slots=True)
class TextShown:
    """More text of a step, as a preview; a higher try voids what lower tries of the step showed."""

    run_id: RunId
    step: int
    try_: int
    delta: str


@dataclass(frozen=True, slots=True)
class EventAppended:
    """An event was committed to the session's log."""

    event: Event


@dataclass(frozen=True, slots=True)
class RunWaits:
    """The run waits for the session's active run."""

    run_id: RunId


@dataclass(frozen=True, slots=True)
class RunWithdrawn:
    """The run was cancelled while it waited; it has no event in the log."""

    run_id: RunId


@dataclass(frozen=True, slots=True)
class PeopleAsked:
    """The run waits for people; nothing comes before they have decided."""

    run_id: RunId
    approval_ids: tuple[ApprovalId, ...]


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The run is paused; nothing comes before somebody resumes it."""

    run_id: RunId


Update: TypeAlias = TextShown | EventAppended | RunWaits | RunWithdrawn | PeopleAsked | RunPaused


class LiveUpdates:
    """A viewer in this process: keeps updates until they are taken."""

    def __init__(self, run_id: RunId) -> None:
        """Watch a run."""
        self._run_id = run_id
        self._queue: asyncio.Queue[Update | None] = asyncio.Queue()

    def text(self, step: int, try_: int, delta: str) -> None:
        """More visible text."""
        self._queue.put_nowait(TextShown(self._run_id, step, try_, delta))

    def event(self, event: Event) -> None:
        """An event was committed."""
        self._queue.put_nowait(EventAppended(event))

    def end(self) -> None:
        """Nothing more comes."""
        self._queue.put_nowait(None)

    async def next(self) -> Update | None:
        """The next update; None at the end."""
        return await self._queue.get()
