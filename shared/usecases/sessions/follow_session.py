"""Follow a session's log from the store, for who cannot listen to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import Enum
from math import inf
from typing import Any

from shared.domain.events import Event, event_id, event_path, events_path
from shared.domain.ids import ApprovalId, RunId, SessionId, instance_of
from shared.domain.nodes import NodeRun, node_path, nodes_path
from shared.domain.plans import MAIN
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.segments import segments_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import NodeState
from shared.ports.documents import Documents, Filter, Query
from shared.usecases.nodes.engine import Core
from shared.usecases.sessions.turn_updates import (
    EventAppended,
    PeopleAsked,
    RunPaused,
    RunWithdrawn,
    TextShown,
    Update,
)

FIRST_PAUSE_SECONDS = 0.1
MOST_PAUSE_SECONDS = 1.0
PAGE = 100


async def follow_session(
    core: Core,
    session_id: SessionId,
    *,
    after: int = 0,
    until_run: RunId | None = None,
    shown: Mapping[tuple[int, int], int] | None = None,
) -> AsyncIterator[Update]:
    """Every event after number `after`, and the live text of the run that is active, as they come.

    Text comes after the events of the steps before it, and never after the event that holds it.
    Ends with the last event of `until_run`; without one, when no run is active and every event was told; and where
    the run waits for people or is paused, because that may last for days. While nothing happens the store is asked less
    and less often, at least once a second. `shown` says how many characters of a step and try of `until_run` were shown
    before.
    """
    pause = FIRST_PAUSE_SECONDS
    live = _LiveText(core.documents, until_run, shown or {}, event_path(session_id, after) if after else None)
    watched = until_run or (await _slot(core.documents, session_id)).run_id
    while True:
        slot, rest = await _look(core.documents, session_id, watched)
        await live.read(slot.run_id)
        # After the look: with what it saw came events. After the text: what was before that is among them.
        events = await _events(core.documents, session_id, after)
        for event in events:
            after = event.seq
            live.settle(event)
            yield EventAppended(event)
            if event.turn_complete and event.run_id == until_run:
                return
        ending = None if events else await _ending(core.documents, slot, rest, until_run)
        if ending is not None:
            for update in ending:
                yield update
            return
        watched = until_run or slot.run_id
        if len(events) == PAGE:
            continue
        texts = live.take()
        for text in texts:
            yield text
        pause = FIRST_PAUSE_SECONDS if events or texts else min(pause * 1.5, MOST_PAUSE_SECONDS)
        await core.clock.sleep(pause)


class _Rest(Enum):
    """Why the active run does not go on."""

    WAITS = "waits for people"
    PAUSED = "is paused, and has given up its node"


async def _look(documents: Documents, session_id: SessionId, watched: RunId | None) -> tuple[Slot, _Rest | None]:
    """The session's slot; and why the run that is watched does not go on, if it is the active one and does not."""
    about = [] if watched is None else [run_path(watched), node_path(watched, instance_of(MAIN, 0))]
    stored, *found = await documents.get_many([slot_path(session_id), *about])
    slot = parse(Slot, stored.fields or {})
    if watched is None or slot.run_id != watched:
        return slot, None
    run, main = parse(Run, found[0].fields or {}), found[1].fields or {}
    if run.waiting_since is not None:
        return slot, _Rest.WAITS
    is_paused = run.paused_at is not None and main.get("state") != NodeState.RUNNING
    return slot, _Rest.PAUSED if is_paused else None


async def _slot(documents: Documents, session_id: SessionId) -> Slot:
    return parse(Slot, (await documents.get(slot_path(session_id))).fields or {})


async def _ending(
    documents: Documents, slot: Slot, rest: _Rest | None, until_run: RunId | None
) -> tuple[Update, ...] | None:
    """What is told last where nothing more comes for now; None to go on."""
    if until_run is not None and until_run not in {slot.run_id, *slot.queue}:
        return (RunWithdrawn(until_run),)
    if slot.run_id is None:
        return () if until_run is None else None
    if rest is _Rest.WAITS:
        return (PeopleAsked(slot.run_id, await _asked(documents, slot.run_id)),)
    return None if rest is None else (RunPaused(slot.run_id),)


async def _asked(documents: Documents, run_id: RunId) -> tuple[ApprovalId, ...]:
    """The approvals for which the nodes of a run wait."""
    waiting = await documents.query(Query(nodes_path(run_id), (Filter("state", "==", str(NodeState.WAITING)),)))
    return tuple(approval for node in waiting for approval in parse(NodeRun, node.fields or {}).waits_for)


async def _events(documents: Documents, session_id: SessionId, after: int) -> list[Event]:
    query = Query(events_path(session_id), after=(event_id(after),), limit=PAGE)
    return [parse(Event, found.fields) for found in await documents.query(query) if found.fields is not None]


class _LiveText:
    """What was shown of the segments of the active run's speaking node, and what is to be shown of them."""

    def __init__(
        self, documents: Documents, run_id: RunId | None, shown: Mapping[tuple[int, int], int], last_event: str | None
    ) -> None:
        """Begin after what was shown, and after the event at `last_event`, which was told before."""
        self._documents = documents
        self._collection = "" if run_id is None else _segments(run_id)
        self._last = ""
        self._shown = dict(shown)
        self._last_event = last_event
        self._texts: list[TextShown] = []
        self._settled: dict[RunId, float] = {}

    async def read(self, run_id: RunId | None) -> None:
        """Read the text that came since the last read, if a run is active; the last segment again."""
        if run_id is None:
            return
        collection = _segments(run_id)
        if collection != self._collection:
            self._collection, self._last, self._shown = collection, "", {}
        query = Query(collection, after=(self._last,) if self._last else None, limit=PAGE)
        found = [snapshot for snapshot in await self._documents.query(query) if snapshot.fields is not None]
        if found and self._last_event is not None:
            event = (await self._documents.get(self._last_event)).fields
            self._last_event = None
            if event is not None:
                self.settle(parse(Event, event))
        for before, snapshot in zip([None, *found], found, strict=False):
            self._add(run_id, snapshot.fields or {})
            if before is not None:
                self._last = before.id

    def _add(self, run_id: RunId, segment: Mapping[str, Any]) -> None:
        place = (segment["step"], segment["try"])
        shown = self._shown.get(place, 0)
        delta = segment["text"][max(shown - segment["start"], 0) :]
        if segment["start"] <= shown and delta:
            self._texts.append(TextShown(run_id, *place, delta))
            self._shown[place] = shown + len(delta)

    def settle(self, event: Event) -> None:
        """Show no more of what an event holds: the steps up to its own, or the whole run."""
        step = inf if event.turn_complete else event.metadata.get("step", -1)
        self._settled[event.run_id] = max(step, self._settled.get(event.run_id, -1))

    def take(self) -> list[TextShown]:
        """What is to be shown of what was read."""
        texts, self._texts = self._texts, []
        return [text for text in texts if text.step > self._settled.get(text.run_id, -1)]


def _segments(run_id: RunId) -> str:
    """The collection of the segments of the node that speaks in the session."""
    return segments_path(run_id, instance_of(MAIN, 0))
